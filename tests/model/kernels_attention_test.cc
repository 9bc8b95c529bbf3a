// Attention against plain loops in double precision, for every instruction set of this machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/kernels/vector_ops.h"
#include "tests/model/kernels_testing.h"

namespace retro {
namespace {

// Arrays in which rows are further apart than they are long.
struct Problem {
  int64_t queries, heads, head_dim, keys;
  bool causal;
  float sharpness = 1;  // large: a few keys take all the weight, and the running maximum moves
  int64_t padding = 5;
  bool with_bias = false;
  bool packed_keys = false;

  std::vector<double> Row(const AttentionArgs& args, const float* key_rows, int64_t query, int64_t head) const {
    const int64_t visible = causal ? keys - (queries - 1 - query) : keys;
    std::vector<double> weights(visible), out(head_dim);
    for (int64_t j = 0; j < visible; ++j) {
      for (int64_t i = 0; i < head_dim; ++i) {
        weights[j] += static_cast<double>(args.queries[query * args.query_stride + head * head_dim + i]) *
                      key_rows[j * args.key_stride + i] * args.scale;
      }
      if (with_bias) weights[j] += args.bias[(query * heads + head) * args.bias_stride + j];
    }
    const double largest = *std::ranges::max_element(weights);
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(weight - largest);
    for (int64_t j = 0; j < visible; ++j) {
      for (int64_t i = 0; i < head_dim; ++i) out[i] += weights[j] / sum * args.values[j * args.value_stride + i];
    }
    return out;
  }

  std::vector<float> Panels(const float* rows, int64_t stride) const {
    std::vector<float> panels((keys + kKeyPanel - 1) / kKeyPanel * kKeyPanel * head_dim, 1e30f);
    for (int64_t j = 0; j < keys; ++j) StoreKey(rows + j * stride, head_dim, j, panels.data());
    return panels;
  }

  void Check(const kernels::KernelTable& table) const {
    AttentionArgs args{.query_stride = heads * head_dim + padding,
                       .num_queries = queries,
                       .num_heads = heads,
                       .head_dim = head_dim,
                       .key_stride = head_dim + padding,
                       .value_stride = head_dim + 2 * padding,
                       .num_keys = keys,
                       .causal = causal,
                       .scale = 1 / std::sqrt(static_cast<float>(head_dim)),
                       .out_stride = heads * head_dim + padding};
    const auto query_rows = RandomFloats(queries * args.query_stride, 1, sharpness);
    const auto key_rows = RandomFloats(keys * args.key_stride - padding, 2);
    const auto value_rows = RandomFloats(keys * args.value_stride - 2 * padding, 3);
    std::vector<float> out(queries * args.out_stride, 9.0f);
    args.queries = query_rows.data();
    args.keys = key_rows.data();
    const auto panels = Panels(key_rows.data(), args.key_stride);
    if (packed_keys) args.keys = panels.data(), args.packed_keys = true;
    args.values = value_rows.data();
    args.out = out.data();
    const auto bias = RandomFloats(queries * heads * (keys + 3), 4, sharpness);
    if (with_bias) {
      args.bias = bias.data();
      args.bias_stride = keys + 3;
    }
    kernels::Attention(table, args);
    for (int64_t query = 0; query < queries; ++query) {
      for (int64_t head = 0; head < heads; ++head) {
        const auto expected = Row(args, key_rows.data(), query, head);
        for (int64_t i = 0; i < head_dim; ++i) {
          ASSERT_NEAR(out[query * args.out_stride + head * head_dim + i], expected[i], 5e-6 * (1 + sharpness))
              << queries << " queries, " << heads << " heads of " << head_dim << ", " << keys << " keys; query "
              << query << ", head " << head << ", element " << i;
        }
      }
      ASSERT_EQ(out[query * args.out_stride + heads * head_dim], 9.0f);
    }
  }
};

class AttentionTest : public testing::TestWithParam<const kernels::KernelTable*> {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, AttentionTest, testing::ValuesIn(AllKernels()), KernelsName);

TEST_P(AttentionTest, OneQuerySeesEveryKey) {
  for (const int64_t keys : {1, 2, 7, 16, 127, 128, 129, 300}) {
    for (const int64_t heads : {1, 2, 3, 5, 8}) {
      for (const int64_t head_dim : {4, 10, 32, 64}) Problem{1, heads, head_dim, keys, true}.Check(*GetParam());
    }
  }
}

TEST_P(AttentionTest, BlocksOfQueriesWithoutAMask) {
  for (const int64_t queries : {2, 6, 17, 64, 130}) {
    for (const int64_t keys : {1, 15, 33, 64, 140}) {
      Problem{queries, 1, 32, keys, false}.Check(*GetParam());
      Problem{queries, 1, 20, keys, false}.Check(*GetParam());
    }
  }
}

TEST_P(AttentionTest, LaterQueriesSeeTheirOwnKeysAsWell) {
  for (const int64_t queries : {1, 2, 5, 16, 64, 150}) {
    for (const int64_t past : {0, 1, 64, 129, 200}) {
      Problem{queries, 1, 16, past + queries, true}.Check(*GetParam());
      Problem{queries, 3, 24, past + queries, true}.Check(*GetParam());
    }
  }
}

TEST_P(AttentionTest, ABiasIsAddedToTheScaledScores) {
  for (const int64_t queries : {1, 5, 40}) {
    for (const int64_t keys : {1, 15, 128, 300}) {
      Problem{.queries = queries, .heads = 3, .head_dim = 24, .keys = keys, .causal = false, .with_bias = true}.Check(
          *GetParam());
    }
  }
  Problem{.queries = 20, .heads = 2, .head_dim = 16, .keys = 150, .causal = true, .with_bias = true}.Check(*GetParam());
}

TEST_P(AttentionTest, KeysMayLieInPanels) {
  for (const int64_t queries : {1, 2, 5, 40, 150}) {
    for (const int64_t past : {0, 1, 15, 127, 200}) {
      Problem{
          .queries = queries, .heads = 3, .head_dim = 24, .keys = past + queries, .causal = true, .packed_keys = true}
          .Check(*GetParam());
    }
  }
}

// The queries of a sequence in one call and in parts, with keys as rows and as panels.
TEST_P(AttentionTest, AQueryDoesNotDependOnTheOthers) {
  constexpr int64_t kQueries = 300, kHeads = 3, kHeadDim = 24, kWidth = kHeads * kHeadDim;
  const auto queries = RandomFloats(kQueries * kWidth, 1), keys = RandomFloats(kQueries * kHeadDim, 2),
             values = RandomFloats(kQueries * kHeadDim, 3);
  const Problem problem{.queries = kQueries, .heads = kHeads, .head_dim = kHeadDim, .keys = kQueries, .causal = true};
  const auto panels = problem.Panels(keys.data(), kHeadDim);
  const auto attend = [&](int64_t begin, int64_t end, bool packed, float* out) {
    const AttentionArgs args{.queries = queries.data() + begin * kWidth,
                             .query_stride = kWidth,
                             .num_queries = end - begin,
                             .num_heads = kHeads,
                             .head_dim = kHeadDim,
                             .keys = packed ? panels.data() : keys.data(),
                             .values = values.data(),
                             .key_stride = kHeadDim,
                             .value_stride = kHeadDim,
                             .num_keys = end,
                             .packed_keys = packed,
                             .causal = true,
                             .scale = 0.2f,
                             .out = out,
                             .out_stride = kWidth};
    kernels::Attention(*GetParam(), args);
  };
  std::vector<float> all(kQueries * kWidth), parts(kQueries * kWidth);
  attend(0, kQueries, false, all.data());
  for (const int64_t step : {1, 2, 7, 64, 131}) {
    for (const bool packed : {false, true}) {
      for (int64_t begin = 0; begin < kQueries; begin += step) {
        attend(begin, std::min(begin + step, kQueries), packed, parts.data() + begin * kWidth);
      }
      ASSERT_EQ(parts, all) << step << " at a time";
    }
  }
}

TEST_P(AttentionTest, SharpScoresMoveTheRunningMaximum) {
  Problem{40, 2, 64, 400, true, 30}.Check(*GetParam());
  Problem{1, 3, 64, 400, true, 30}.Check(*GetParam());
}

}  // namespace
}  // namespace retro
