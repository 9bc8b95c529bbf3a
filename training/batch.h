// What one forward and backward pass is given, and where it comes from. The loop knows no more of its data than this:
// pre-training, fine-tuning on answers and whatever comes later are sources of their own.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "core/ids.h"

namespace retro {

inline constexpr TokenId kNoTarget = -1;

// B sequences of T tokens. L chunks a sequence, k neighbours a chunk, r tokens a neighbour: 0 where trained without.
// Rows one after the other, innermost last.
struct TrainingBatch {
  int64_t num_sequences = 0, seq_len = 0;
  std::vector<TokenId> tokens;   // [B, T]
  std::vector<TokenId> targets;  // [B, T]: the token that follows; kNoTarget: no loss there

  // Where rows hold several examples, which do not see one another and begin at position 0 each: their lengths, row
  // after row, padding as an example of its own. None goes over a row's end, so the sum is B T. Empty: a row is one.
  std::vector<int64_t> example_lens;

  int64_t num_chunks = 0, num_neighbours = 0, neighbour_len = 0;
  std::vector<TokenId> neighbour_tokens;    // [B, L, k, r]; 0 beyond a neighbour's end
  std::vector<uint32_t> neighbour_lengths;  // [B, L, k]; 0: there is none
};

// One thread at a time.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual TrainingBatch Next() = 0;
  // Goes past a batch that another rank takes; without reading it, where a source can.
  virtual void Skip() { Next(); }
  // Where it stands: with what Position() gave, Resume() makes Next() give what it would have given then.
  virtual nlohmann::json Position() const = 0;
  virtual void Resume(const nlohmann::json& position) = 0;
};

}  // namespace retro
