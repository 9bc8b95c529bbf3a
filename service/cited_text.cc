#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "service/citations.h"
#include "service/sentences.h"
#include "service/words.h"

namespace retro {
namespace {

constexpr float kLeastSupport = 0.6f;
constexpr size_t kMostSources = 2;
// A second source must hold nearly as much as the first.
constexpr float kMostBehindBest = 0.2f;

constexpr std::string_view kSpaces = " \t\r\n";

}  // namespace

std::set<std::string> PassageWords(const Passage& passage) {
  std::set<std::string> words = Words(passage.text);
  words.merge(Words(passage.document.title));
  return words;
}

CitedText::CitedText(std::string_view question, std::span<Source> sources) : question_(question), sources_(sources) {
  for (const Source& source : sources) {
    source_words_.push_back(PassageWords(source.passage));
  }
}

std::string CitedText::Push(std::string_view piece) {
  const size_t shown = text_.size();
  std::string seen;
  for (const char c : piece) {
    if (bracket_.empty() ? c == '[' : std::isdigit(static_cast<unsigned char>(c)) != 0) {
      bracket_ += c;
    } else if (c == ']' && bracket_.size() > 1) {
      bracket_.clear();
      after_marker_ = true;
    } else {
      for (const char open : std::exchange(bracket_, {})) TakePlain(open, seen);
      if (c == '[') {
        bracket_ = c;
      } else {
        TakePlain(c, seen);
      }
    }
  }
  if (!seen.empty()) Append(seen);
  return text_.substr(shown);
}

// White space waits until something follows. That around a marker that was taken out is closed up.
void CitedText::TakePlain(char c, std::string& seen) {
  if (kSpaces.find(c) != std::string_view::npos) {
    const bool at_begin = plain_.empty() && seen.empty();
    if (!at_begin && !(after_marker_ && !spaces_.empty())) spaces_ += c;
    return;
  }
  if (after_marker_ && std::string_view(".,;:!?").find(c) != std::string_view::npos) spaces_.clear();
  after_marker_ = false;
  seen += std::exchange(spaces_, {});
  seen += c;
}

std::string CitedText::Finish() {
  const size_t shown = text_.size();
  std::string seen;
  for (const char c : std::exchange(bracket_, {})) TakePlain(c, seen);
  if (!seen.empty()) Append(seen);
  const auto sentences = SplitSentences(plain_);
  if (num_cited_ < sentences.size()) CiteSentence(sentences.back());
  num_cited_ = sentences.size();
  return text_.substr(shown);
}

// Sentences that turn out to be finished get their markers before what follows them.
void CitedText::Append(std::string_view plain) {
  const size_t old_size = plain_.size();
  plain_ += plain;
  const auto sentences = SplitSentences(plain_);
  size_t appended = old_size;
  while (num_cited_ + 1 < sentences.size()) {
    const std::string_view sentence = sentences[num_cited_++];
    const size_t end = sentence.data() + sentence.size() - plain_.data();
    if (end > appended) {
      text_.append(plain_, appended, end - appended);
      appended = end;
    }
    CiteSentence(sentence);
  }
  text_.append(plain_, appended);
}

// REQUIRES: text_ ends with the sentence
void CitedText::CiteSentence(std::string_view sentence) {
  const std::set<std::string> said = NewWords(sentence, question_);
  std::vector<std::pair<float, size_t>> support;  // share, index
  for (size_t i = 0; i < sources_.size(); ++i) {
    const float share = ShareOf(said, source_words_[i]);
    if (share >= kLeastSupport) support.emplace_back(share, i);
  }
  if (support.empty()) return;
  std::ranges::stable_sort(support, [](const auto& a, const auto& b) { return a.first > b.first; });
  Citation citation{text_.size() - sentence.size(), text_.size(), {}};
  for (const auto& [share, index] : support) {
    if (citation.sources.size() == kMostSources || share < support.front().first - kMostBehindBest) break;
    sources_[index].cited = true;
    citation.sources.push_back(sources_[index].number);
  }
  text_ += ' ';
  for (const int number : citation.sources) text_ += fmt::format("[{}]", number);
  citations_.push_back(std::move(citation));
}

}  // namespace retro
