// Attention in blocks of rows and keys with a running softmax: scores never exceed one block, and both products run on
// the tiles of the fp32 GEMM. Blocks of keys begin at the same ones for every row, and what a row does not see counts
// as nothing, so that its result does not depend on the rows beside it.
//
// A row is one head of one query; rows of a query lie together, so the keys that rows see never become fewer.
#pragma once

#include <cstdint>

#include "model/kernels/gemm-inl.h"
#include "model/kernels/kernels.h"
#include "model/kernels/vector_ops-inl.h"

namespace retro::kernels {
namespace {

inline int64_t Lower(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t RoundUp(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// The work space of a block of rows; see AttentionScratch.
struct AttentionBlock {
  int64_t num_rows, padded_dim;
  float* queries;  // [rows, head_dim], scaled
  float* sums;     // [rows, padded_dim]: of exp(score - largest) * value
  float* scores;   // [rows, kAttentionKeys]
  float* largest;  // [rows]
  float* totals;   // [rows]: of exp(score - largest)
  float* panels;   // keys: [kAttentionKeys / 16, head_dim, 16]
  float* columns;  // values' columns beyond the last whole panel: [kAttentionKeys, 16]

  AttentionBlock(const AttentionArgs& args, int64_t rows, float* scratch)
      : num_rows(rows), padded_dim(RoundUp(args.head_dim, kPanel)) {
    queries = scratch;
    sums = queries + rows * args.head_dim;
    scores = sums + rows * padded_dim;
    largest = scores + rows * kAttentionKeys;
    totals = largest + rows;
    panels = totals + rows;
    columns = panels + kAttentionKeys * args.head_dim;
  }
};

// Keys that a row (of the whole call) sees.
inline int64_t Visible(const AttentionArgs& args, int64_t row) {
  return args.causal ? args.num_keys - (args.num_queries - 1 - row / args.num_heads) : args.num_keys;
}

void StartBlock(const AttentionArgs& args, int64_t first_row, const AttentionBlock& block) {
  for (int64_t r = 0; r < block.num_rows; ++r) {
    const int64_t row = first_row + r;
    const float* query = args.queries + row / args.num_heads * args.query_stride + row % args.num_heads * args.head_dim;
    ForLanes(args.head_dim, [&](int64_t i, int count) {
      StoreLanes(block.queries + r * args.head_dim + i, LoadLanes(query + i, count) * Set(args.scale), count);
    });
    for (int64_t i = 0; i < block.padded_dim; ++i) block.sums[r * block.padded_dim + i] = 0.0f;
    block.largest[r] = -__builtin_inff();
    block.totals[r] = 0.0f;
  }
}

// Keys [begin, begin + count) as panels of 16 keys; keys that are missing in the last panel repeat the last one.
void PackKeys(const AttentionArgs& args, int64_t begin, int64_t count, float* panels) {
  const int64_t whole = args.head_dim / kLanes * kLanes;
  for (int64_t first = 0; first < count; first += kPanel, panels += args.head_dim * kPanel) {
    const float* keys = args.keys + (begin + first) * args.key_stride;
    int64_t j = 0;
    for (; j + kLanes <= Lower(kPanel, count - first); j += kLanes) {
      for (int64_t k = 0; k < whole; k += kLanes) {
        TransposeBlock(keys + j * args.key_stride + k, args.key_stride, panels + k * kPanel + j);
      }
      for (int64_t k = whole; k < args.head_dim; ++k) {
        for (int64_t lane = 0; lane < kLanes; ++lane)
          panels[k * kPanel + j + lane] = keys[(j + lane) * args.key_stride + k];
      }
    }
    for (; j < kPanel; ++j) {
      const float* key = keys + Lower(j, count - first - 1) * args.key_stride;
      for (int64_t k = 0; k < args.head_dim; ++k) panels[k * kPanel + j] = key[k];
    }
  }
}

void Scores(const AttentionArgs& args, int64_t begin, int64_t count, int64_t first_row, const AttentionBlock& block) {
  const float* panels = args.keys + begin * args.head_dim;
  if (!args.packed_keys) {
    PackKeys(args, begin, count, block.panels);
    panels = block.panels;
  }
  Gemm({.x = block.queries + first_row * args.head_dim,
        .x_stride = args.head_dim,
        .num_rows = block.num_rows - first_row,
        .depth = args.head_dim,
        .panels = panels,
        .row_stride = kPanel,
        .panel_stride = args.head_dim * kPanel,
        .num_panels = (count + kPanel - 1) / kPanel,
        .c = block.scores + first_row * kAttentionKeys,
        .c_stride = kAttentionKeys,
        .accumulate = false,
        .streaming = false});
}

void AddBias(const AttentionArgs& args, int64_t begin, int64_t count, int64_t row_of_call, float* scores) {
  const float* bias = args.bias + row_of_call * args.bias_stride + begin;
  ForLanes(count, [&](int64_t j, int lanes) {
    StoreLanes(scores + j, LoadLanes(scores + j, lanes) + LoadLanes(bias + j, lanes), lanes);
  });
}

// Scores become exp(score - largest so far); what was summed under a smaller maximum is scaled down.
void Weigh(const AttentionArgs& args, int64_t begin, int64_t count, int64_t row_of_call, int64_t r,
           const AttentionBlock& block) {
  float* scores = block.scores + r * kAttentionKeys;
  const int64_t visible = Lower(Visible(args, row_of_call) - begin, count);
  if (args.bias != nullptr) AddBias(args, begin, visible, row_of_call, scores);
  const float in_block = LargestOf(scores, visible);
  if (in_block > block.largest[r]) {
    float change;
    StorePart(&change, Exp(Set(block.largest[r] - in_block)), 1);
    block.largest[r] = in_block;
    block.totals[r] *= change;
    Scale(block.sums + r * block.padded_dim, block.padded_dim, change);
  }
  block.totals[r] += ExpInPlace(scores, visible, block.largest[r]);
  for (int64_t j = visible; j < count; ++j) scores[j] = 0.0f;
}

void AddValues(const AttentionArgs& args, int64_t begin, int64_t count, int64_t first_row,
               const AttentionBlock& block) {
  const int64_t whole_panels = args.head_dim / kPanel, rest = args.head_dim % kPanel;
  KernelTable::GemmArgs product{.x = block.scores + first_row * kAttentionKeys,
                                .x_stride = kAttentionKeys,
                                .num_rows = block.num_rows - first_row,
                                .depth = count,
                                .panels = args.values + begin * args.value_stride,
                                .row_stride = args.value_stride,
                                .panel_stride = kPanel,
                                .num_panels = whole_panels,
                                .c = block.sums + first_row * block.padded_dim,
                                .c_stride = block.padded_dim,
                                .accumulate = true,
                                .streaming = false};
  Gemm(product);
  if (rest == 0) return;
  for (int64_t j = 0; j < count; ++j) {
    const float* from = product.panels + j * args.value_stride + whole_panels * kPanel;
    for (int64_t i = 0; i < kPanel; ++i) block.columns[j * kPanel + i] = i < rest ? from[i] : 0.0f;
  }
  product.panels = block.columns;
  product.row_stride = kPanel;
  product.num_panels = 1;
  product.c += whole_panels * kPanel;
  Gemm(product);
}

void FinishBlock(const AttentionArgs& args, int64_t first_row, const AttentionBlock& block) {
  for (int64_t r = 0; r < block.num_rows; ++r) {
    const int64_t row = first_row + r;
    float* out = args.out + row / args.num_heads * args.out_stride + row % args.num_heads * args.head_dim;
    const Floats factor = Set(1.0f / block.totals[r]);
    ForLanes(args.head_dim, [&](int64_t i, int count) {
      StoreLanes(out + i, LoadLanes(block.sums + r * block.padded_dim + i, count) * factor, count);
    });
  }
}

void AttendBlock(const AttentionArgs& args, int64_t first_row, const AttentionBlock& block) {
  StartBlock(args, first_row, block);
  const int64_t end = Visible(args, first_row + block.num_rows - 1);
  for (int64_t begin = 0; begin < end; begin += kAttentionKeys) {
    const int64_t count = Lower(kAttentionKeys, end - begin);
    int64_t r = 0;  // the first row that sees any of these keys
    while (Visible(args, first_row + r) <= begin) ++r;
    Scores(args, begin, count, r, block);
    for (int64_t i = r; i < block.num_rows; ++i) Weigh(args, begin, count, first_row + i, i, block);
    AddValues(args, begin, count, r, block);
  }
  FinishBlock(args, first_row, block);
}

void Attention(const AttentionArgs& args, float* scratch) {
  const int64_t num_rows = args.num_queries * args.num_heads;
  for (int64_t row = 0; row < num_rows; row += kAttentionRows) {
    AttendBlock(args, row, AttentionBlock(args, Lower(kAttentionRows, num_rows - row), scratch));
  }
}

}  // namespace
}  // namespace retro::kernels
