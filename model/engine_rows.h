// What the processor's engines do with the rows of a pass.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/thread_pool.h"
#include "model/decoder_config.h"
#include "model/weight_loader.h"

namespace retro {

// Runs body(begin, end) over [0, num_rows) in parallel; few rows stay on this thread.
template <typename Body>
void ForRows(int64_t num_rows, ThreadPool& pool, const Body& body) {
  constexpr int64_t kRowsPerTask = 16;
  if (num_rows <= kRowsPerTask) return body(int64_t{0}, num_rows);
  pool.ParallelFor((num_rows + kRowsPerTask - 1) / kRowsPerTask, [&](size_t task) {
    const int64_t begin = static_cast<int64_t>(task) * kRowsPerTask;
    body(begin, std::min(begin + kRowsPerTask, num_rows));
  });
}

// Grows a work space; what it held is of no more use.
inline void Reserve(std::vector<float>& buffer, int64_t size) {
  if (static_cast<int64_t>(buffer.size()) < size) buffer.resize(size);
}

// y = the family's norm of x, on this thread. x and y are of norm.weight.size() elements and may be the same.
void NormalizeRow(const DecoderConfig& config, const NormWeights& norm, const float* x, float* y);

// The same for rows that lie one after the other.
void NormalizeRows(const DecoderConfig& config, const NormWeights& norm, const float* x, int64_t num_rows, float* y,
                   ThreadPool& pool);

Activation FfnActivation(FeedForwardKind kind);

}  // namespace retro
