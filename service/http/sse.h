// Server-sent events (WHATWG HTML, section 9.2) and JSON on its way out.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace retro {

inline constexpr std::string_view kEventStream = "text/event-stream; charset=utf-8";
inline constexpr std::string_view kSsePing = ": ping\n\n";
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

// Compact, on one line, always valid UTF-8 (what is not becomes U+FFFD); numbers that JSON lacks become null.
std::string DumpJson(const nlohmann::json& json);

std::string SseData(const nlohmann::json& json);
std::string SseEvent(std::string_view name, const nlohmann::json& json);

}  // namespace retro
