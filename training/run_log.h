// Lines on stderr, in the place of a bar that may stand there.
#pragma once

#include <string>

namespace retro {

void LogInfo(const std::string& line);
void LogWarning(const std::string& line);

}  // namespace retro
