#include "cli/passages.h"

#include <fmt/format.h>

#include <iostream>

namespace retro::cli {

nlohmann::json PassageToJson(const Passage& passage) {
  return {{"chunk", passage.chunk.value},
          {"score", passage.score},
          {"text", passage.text},
          {"document", passage.document.id},
          {"title", passage.document.title},
          {"source", passage.document.source},
          {"url", passage.document.url},
          {"licence", passage.document.licence},
          {"date", passage.document.date},
          {"position", passage.position}};
}

std::string SourceLine(const Passage& passage) {
  const std::string& title = passage.document.title;
  std::string line = title.empty() ? passage.document.id
                                   : fmt::format("{} ({}, token {})", title, passage.document.id, passage.position);
  if (!passage.document.url.empty()) line += " " + passage.document.url;
  return line;
}

void PrintPassage(size_t number, const Passage& passage) {
  std::cout << fmt::format("[{}] {:.3f} {}\n    {}\n", number, passage.score, SourceLine(passage), passage.text);
}

}  // namespace retro::cli
