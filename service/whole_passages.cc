#include "service/whole_passages.h"

#include <algorithm>
#include <cctype>

#include "retriever/passage_text.h"
#include "service/sentences.h"

namespace retro {
namespace {

// Consecutive chunks of one document.
struct Stretch {
  Passage best;
  uint64_t first, last;

  bool Takes(const Passage& passage) const {
    constexpr uint64_t kReach = 2;
    const uint64_t chunk = passage.chunk.value;
    return passage.document.id == best.document.id && chunk + kReach >= first && chunk <= last + kReach;
  }
};

std::vector<Stretch> Joined(std::vector<Passage> found) {
  std::vector<Stretch> stretches;
  for (Passage& passage : found) {
    const uint64_t chunk = passage.chunk.value;
    const auto taker = std::ranges::find_if(stretches, [&](const Stretch& stretch) { return stretch.Takes(passage); });
    if (taker == stretches.end()) {
      stretches.push_back({std::move(passage), chunk, chunk});
    } else {
      taker->first = std::min(taker->first, chunk);
      taker->last = std::max(taker->last, chunk);
      taker->best.score = std::max(taker->best.score, passage.score);
    }
  }
  return stretches;
}

// The chunks of the stretch as one text, with one more on either side where the document has it, and where in it those
// of the stretch begin.
struct Surroundings {
  std::string text;
  size_t begin = 0, end = 0;  // of the stretch's own chunks
  bool goes_on = false;       // the document, after `text`
};

Surroundings Read(const RetrievalDatabase& database, const Stretch& stretch) {
  const uint64_t from = stretch.first - std::min<uint64_t>(stretch.first, 1);
  const uint64_t to = std::min(database.chunks().num_chunks(), stretch.last + 3);
  std::vector<ChunkRecord> records;
  database.chunks().ReadRange({from}, to - from, records);
  const DocumentIndex document = records[stretch.first - from].document;
  std::vector<TokenId> tokens;
  size_t before = 0, inside = 0;
  Surroundings read;
  for (uint64_t chunk = from; chunk < to; ++chunk) {
    const ChunkRecord& record = records[chunk - from];
    if (record.document != document) continue;
    if (chunk == stretch.last + 2) {
      read.goes_on = true;
      continue;
    }
    tokens.insert(tokens.end(), record.tokens.begin(), record.tokens.end());
    if (chunk < stretch.first) before = tokens.size();
    if (chunk <= stretch.last) inside = tokens.size();
  }
  const auto text_of = [&](size_t count) { return PassageText(database.tokenizer(), std::span(tokens).first(count)); };
  read.text = text_of(tokens.size());
  read.begin = std::min(read.text.size(), before == 0 ? 0 : text_of(before).size());
  read.end = std::min(read.text.size(), text_of(inside).size());
  return read;
}

bool EndsLikeASentence(std::string_view text) {
  return std::string_view(".!?\"')]").find(text.back()) != std::string_view::npos;
}

std::string WholeSentences(const Surroundings& read) {
  const std::string_view text = read.text;
  size_t begin = read.begin, end = text.size();
  const auto sentences = SplitSentences(text);
  for (const std::string_view& sentence : sentences) {
    const size_t at = static_cast<size_t>(sentence.data() - text.data());
    if (at <= read.begin && read.begin < at + sentence.size()) begin = at;
    // A last one that is cut stays where the chunk found reaches into it.
    const bool cut = read.goes_on && !EndsLikeASentence(sentence);
    if (&sentence == &sentences.back() && cut && at >= read.end) end = at;
  }
  while (begin < end && std::isspace(static_cast<unsigned char>(text[begin])) != 0) ++begin;
  while (end > begin && std::isspace(static_cast<unsigned char>(text[end - 1])) != 0) --end;
  return std::string(text.substr(begin, end - begin));
}

}  // namespace

std::vector<Passage> WholePassages(const RetrievalDatabase& database, std::vector<Passage> found) {
  std::vector<Passage> whole;
  for (Stretch& stretch : Joined(std::move(found))) {
    stretch.best.text = WholeSentences(Read(database, stretch));
    whole.push_back(std::move(stretch.best));
  }
  return whole;
}

}  // namespace retro
