#include "service/http/sse.h"

#include <fmt/format.h>

namespace retro {

std::string DumpJson(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string SseData(const nlohmann::json& json) { return fmt::format("data: {}\n\n", DumpJson(json)); }

std::string SseEvent(std::string_view name, const nlohmann::json& json) {
  return fmt::format("event: {}\n{}", name, SseData(json));
}

}  // namespace retro
