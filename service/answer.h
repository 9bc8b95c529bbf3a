// What a question got.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/generator.h"
#include "retriever/neighbour_retriever.h"
#include "service/citations.h"

namespace retro {

struct Answer {
  std::string text = {};        // with a marker " [1]" for each source behind each sentence
  std::string plain_text = {};  // without
  bool found = true;            // false: there is no answer, and `text` says so
  // Those that the decoder saw, which are fewer than asked for when the prompt had no room; below the threshold the
  // nearest ones, which the decoder did not see.
  std::vector<Source> sources = {};
  std::vector<Citation> citations = {};     // into `text`
  std::vector<RetrievedChunk> chunks = {};  // what chunked cross-attention attended to
  FinishReason finish_reason = FinishReason::kStop;
  int64_t prompt_tokens = 0, answer_tokens = 0;
};

}  // namespace retro
