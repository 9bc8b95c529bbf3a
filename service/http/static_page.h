// The page: files embedded in the program.
#pragma once

#include <string>
#include <vector>

#include "service/http/embedded_file.h"

namespace retro {

// The file of a request's path ("/" is index.html); null when there is none.
const EmbeddedFile* FindPageFile(const std::vector<std::string>& path);

}  // namespace retro
