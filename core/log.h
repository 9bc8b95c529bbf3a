// Log lines on stderr. Results go to stdout, never through here.
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

namespace retro {

// Sends spdlog's default logger to stderr as "retro: message" (levels above info are named). Call once, in main.
void InitLog(std::string_view level);

}  // namespace retro
