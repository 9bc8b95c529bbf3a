// A document as a line of JSON, as OpenDocuments reads it back.
#pragma once

#include <string>

#include "datasets/document.h"

namespace retro {

// With its line feed. Fields that are empty are left out; what is not UTF-8 becomes the replacement character.
std::string DocumentLine(const Document& document);

}  // namespace retro
