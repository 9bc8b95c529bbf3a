// Lines on stderr, in the place of a bar that may stand there. Also for code that cannot see spdlog: LibTorch's headers
// bring another version of its fmt.
#pragma once

#include <string>

namespace retro {

void LogInfo(const std::string& line);
void LogWarning(const std::string& line);

}  // namespace retro
