// The tokens that go through a CpuDecoder's layers together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ids.h"

namespace retro {

// Neighbouring rows of a pass that belong to one sequence.
struct PassRun {
  int sequence;
  int64_t position;  // of the first token
  int64_t row;       // of the pass
  std::span<const TokenId> tokens;
  int64_t num_logits;  // its last tokens, for which logits are wanted
  bool adapted;        // with the decoder's adapter
};

// A sequence has at most one run.
using Pass = std::vector<PassRun>;

inline int64_t NumRows(const Pass& pass) { return pass.back().row + std::ssize(pass.back().tokens); }

}  // namespace retro
