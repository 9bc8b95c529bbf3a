// Which passages an answer rests on. Small decoders do not cite reliably, so this is decided from the texts afterwards:
// a marker can only name a passage that is there.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retriever/embedder.h"
#include "retriever/retrieval_database.h"

namespace retro {

class ThreadPool;

// A passage that the answer was written from.
struct Source {
  int number = 0;  // as in the markers: from 1
  Passage passage;
  std::string sentence;  // of the passage, nearest to the answer
  float similarity = 0;  // cosine of that sentence and of question and answer together
  float support = 0;     // share of the answer's words, those of the question left out, that the passage holds
  bool cited = false;
};

// A sentence of the answer and the numbers of the sources that support it.
struct Citation {
  size_t begin = 0, end = 0;  // bytes of Answer::text; the markers follow at `end`
  std::vector<int> sources;   // best first
};

// An answer as it grows, with a marker (" [1]") for each source behind each sentence. A source supports a sentence when
// it holds most of what the sentence says beyond the question; at most two are named, best first, and a sentence that
// none supports gets no marker. Markers that the decoder made up are taken out, and so is white space at both ends. One
// thread at a time; `sources` must outlive it.
class CitedText {
 public:
  CitedText(std::string_view question, std::span<Source> sources);

  // Takes the next piece of the decoder's text and returns what can be shown now. All that was returned is text().
  std::string Push(std::string_view piece);
  // The rest.
  std::string Finish();

  const std::string& text() const { return text_; }         // with markers
  const std::string& plain_text() const { return plain_; }  // without
  const std::vector<Citation>& citations() const { return citations_; }

 private:
  void TakePlain(char c, std::string& seen);
  void Append(std::string_view plain);
  void CiteSentence(std::string_view sentence);

  std::string question_;
  std::span<Source> sources_;
  std::vector<std::set<std::string>> source_words_;
  std::string text_, plain_;
  std::string spaces_;   // white space that is shown only when something follows
  std::string bracket_;  // "[12" that may become a marker
  bool after_marker_ = false;
  size_t num_cited_ = 0;  // sentences that are finished
  std::vector<Citation> citations_;
};

// The passages as sources, numbered in their order.
std::vector<Source> NumberSources(std::vector<Passage> passages);

// The words of a passage and of its title: what it can support.
std::set<std::string> PassageWords(const Passage& passage);

// Sets `sentence`, `similarity` and `support` of every source. `answer` may be empty: then nearest to the question.
void FindEvidence(std::string_view question, std::string_view answer, std::span<Source> sources,
                  const Embedder& embedder, ThreadPool& pool);

}  // namespace retro
