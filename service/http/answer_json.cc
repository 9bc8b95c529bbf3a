#include "service/http/answer_json.h"

#include "core/utf8.h"
#include "service/http/code_points.h"
#include "service/http/passage_json.h"

namespace retro {
namespace {

// Where the sentence stands in the passage's text.
nlohmann::json HighlightJson(const Source& source) {
  const std::string_view text = source.passage.text;
  const size_t at = source.sentence.empty() ? std::string_view::npos : text.find(source.sentence);
  if (at == std::string_view::npos) return nullptr;
  const int64_t begin = NumCodePoints(text.substr(0, at));
  return {{"begin", begin}, {"end", begin + NumCodePoints(source.sentence)}};
}

nlohmann::json SourceJson(const Source& source) {
  nlohmann::json json = PassageJson(source.passage);
  json.update({{"number", source.number},
               {"sentence", source.sentence},
               {"similarity", source.similarity},
               {"support", source.support},
               {"cited", source.cited},
               {"highlight", HighlightJson(source)}});
  return json;
}

nlohmann::json SourcesJson(std::span<const Source> sources) {
  nlohmann::json json = nlohmann::json::array();
  for (const Source& source : sources) json.push_back(SourceJson(source));
  return json;
}

nlohmann::json CitationsJson(const Answer& answer) {
  nlohmann::json json = nlohmann::json::array();
  const std::string_view text = answer.text;
  for (const Citation& citation : answer.citations) {
    json.push_back({{"begin", NumCodePoints(text.substr(0, citation.begin))},
                    {"end", NumCodePoints(text.substr(0, citation.end))},
                    {"sources", citation.sources}});
  }
  return json;
}

// A chunk's neighbours act from its last token on until those of the next chunk take over, so the chunk that ends with
// the prompt feeds the answer's first tokens.
nlohmann::json ChunksJson(const Answer& answer, const std::vector<TokenId>& tokens, const Tokenizer& tokenizer) {
  nlohmann::json json = nlohmann::json::array();
  const auto place = [&](int64_t end) {
    return std::clamp<int64_t>(end - answer.prompt_tokens, 0, std::ssize(tokens));
  };
  for (size_t i = 0; i < answer.chunks.size(); ++i) {
    const int64_t begin = place(answer.chunks[i].end);
    const bool last = i + 1 == answer.chunks.size();
    const int64_t end = last ? std::ssize(tokens) : place(answer.chunks[i + 1].end);
    const auto fed = std::span(tokens).subspan(begin, std::max<int64_t>(end - begin, 0));
    const std::string text = fed.empty() ? "" : ReplaceInvalidUtf8(tokenizer.Decode(fed, {.skip_special = true}));
    json.push_back(ChunkJson(i, answer.chunks[i], text));
  }
  return json;
}

}  // namespace

nlohmann::json SourcesEventJson(const std::string& id, const AnswerDraft& draft) {
  return {{"id", id}, {"sources", SourcesJson(draft.sources())}, {"found", draft.needs_decoder()}};
}

nlohmann::json AnswerJson(const Answer& answer, const std::vector<TokenId>& tokens, const Tokenizer& tokenizer) {
  return {{"text", answer.text},
          {"plain_text", answer.plain_text},
          {"found", answer.found},
          {"sources", SourcesJson(answer.sources)},
          {"citations", CitationsJson(answer)},
          {"chunks", ChunksJson(answer, tokens, tokenizer)},
          {"finish_reason", FinishReasonName(answer.finish_reason)},
          {"usage",
           {{"prompt_tokens", answer.prompt_tokens},
            {"completion_tokens", answer.answer_tokens},
            {"total_tokens", answer.prompt_tokens + answer.answer_tokens}}}};
}

}  // namespace retro
