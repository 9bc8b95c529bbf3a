#include "datasets/document_line.h"

#include <nlohmann/json.hpp>

namespace retro {

std::string DocumentLine(const Document& document) {
  nlohmann::ordered_json json = {{"id", document.id}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) json[name] = value;
  };
  add("title", document.title);
  add("text", document.text);
  add("source", document.source);
  add("url", document.url);
  add("licence", document.licence);
  add("date", document.date);
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace retro
