#include "service/http/passage_json.h"

namespace retro {
namespace {

nlohmann::json TextOrNull(const std::string& text) { return text.empty() ? nlohmann::json() : nlohmann::json(text); }

}  // namespace

nlohmann::json PassageJson(const Passage& passage) {
  const DocumentInfo& document = passage.document;
  return {{"chunk_id", std::to_string(passage.chunk.value)},  // 64 bits: too many for a number of JavaScript's
          {"document_id", document.id},
          {"title", document.title},
          {"source", document.source},
          {"url", TextOrNull(document.url)},
          {"licence", TextOrNull(document.licence)},
          {"date", TextOrNull(document.date)},
          {"position", passage.position},
          {"score", passage.score},
          {"text", passage.text}};
}

nlohmann::json PassagesJson(std::span<const Passage> passages) {
  nlohmann::json json = nlohmann::json::array();
  for (const Passage& passage : passages) json.push_back(PassageJson(passage));
  return json;
}

nlohmann::json ChunkJson(size_t index, const RetrievedChunk& chunk, const std::string& text) {
  return {{"index", index}, {"end", chunk.end}, {"text", text}, {"neighbours", PassagesJson(chunk.neighbours)}};
}

}  // namespace retro
