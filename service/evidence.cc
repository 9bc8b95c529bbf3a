#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "service/citations.h"
#include "service/sentences.h"
#include "service/words.h"

namespace retro {
namespace {

float Dot(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0f);
}

}  // namespace

std::vector<Source> NumberSources(std::vector<Passage> passages) {
  std::vector<Source> sources;
  for (Passage& passage : passages) {
    const int number = static_cast<int>(sources.size()) + 1;
    sources.push_back({.number = number, .passage = std::move(passage), .sentence = {}});
  }
  return sources;
}

void FindEvidence(std::string_view question, std::string_view answer, std::span<Source> sources,
                  const Embedder& embedder, ThreadPool& pool) {
  const std::string wanted = fmt::format("{}{}{}", question, answer.empty() ? "" : " ", answer);
  std::vector<std::string_view> texts{wanted};
  std::vector<size_t> first_sentence;  // of each source, in `texts`
  for (const Source& source : sources) {
    first_sentence.push_back(texts.size());
    for (const std::string_view sentence : SplitSentences(source.passage.text)) texts.push_back(sentence);
  }
  first_sentence.push_back(texts.size());
  const size_t dim = embedder.dim();
  std::vector<float> embeddings(texts.size() * dim);
  embedder.Embed(texts, embeddings, pool);
  const auto row = [&](size_t i) { return std::span(embeddings).subspan(i * dim, dim); };

  const std::set<std::string> said = NewWords(answer, question);
  for (size_t i = 0; i < sources.size(); ++i) {
    Source& source = sources[i];
    source.support = ShareOf(said, PassageWords(source.passage));
    // A short answer hardly moves the embedding, so its words count as much as the cosine.
    float best = -2;
    for (size_t at = first_sentence[i]; at < first_sentence[i + 1]; ++at) {
      const float similarity = Dot(row(0), row(at));
      const float nearness = similarity + ShareOf(said, Words(texts[at]));
      if (nearness <= best) continue;
      best = nearness;
      source.sentence = texts[at];
      source.similarity = similarity;
    }
  }
}

}  // namespace retro
