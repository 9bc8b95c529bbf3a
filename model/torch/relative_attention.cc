#include "model/torch/relative_attention.h"

#include <cmath>

namespace retro {
namespace {

namespace nn = torch::nn;

// The logit of a key that there is not: its weight is exactly 0 beside any other, also in 16 bits.
constexpr double kAbsentLogit = -1e30;

nn::Linear NewLinear(int64_t num_inputs, int64_t num_outputs, bool bias) {
  return nn::Linear(nn::LinearOptions(num_inputs, num_outputs).bias(bias));
}

// [N, rows, heads * D] → [heads, N, rows, D]
torch::Tensor HeadsFirst(const torch::Tensor& x, int64_t num_heads) {
  return x.view({x.size(0), x.size(1), num_heads, -1}).permute({2, 0, 1, 3});
}

}  // namespace

torch::Tensor DistanceSinusoids(int64_t first, int64_t count, int64_t width) {
  const auto distances = torch::arange(first, first + count, torch::kFloat64).unsqueeze(1);
  const auto exponents = torch::arange((width + 1) / 2, torch::kFloat64) * (2.0 / static_cast<double>(width));
  const auto angles = distances * torch::exp(exponents * -std::log(10000.0));
  return torch::stack({angles.sin(), angles.cos()}, 2).view({count, -1}).slice(1, 0, width).to(torch::kFloat32);
}

RelativeAttentionImpl::RelativeAttentionImpl(const RelativeAttentionConfig& config) : config_(config) {
  const int64_t q_dim = config.num_heads * config.head_dim, kv_dim = config.num_kv_heads * config.head_dim;
  q = register_module("q", NewLinear(config.query_dim, q_dim, config.bias));
  k = register_module("k", NewLinear(config.memory_dim, kv_dim, config.bias));
  v = register_module("v", NewLinear(config.memory_dim, kv_dim, config.bias));
  out = register_module("out", NewLinear(q_dim, config.query_dim, config.bias));
  position = register_module("position", NewLinear(config.query_dim, q_dim, false));
  position_bias = register_parameter("position_bias", torch::zeros({config.num_heads, config.head_dim}));
}

// queries: [H, N, G, I, D], scaled. Logits for every distance are computed once and read along shifted rows: the
// distance of (i, j) is column I - 1 - i + j of a matrix whose columns go from the largest distance to the smallest.
torch::Tensor RelativeAttentionImpl::PositionLogits(const torch::Tensor& queries, int64_t num_keys, int64_t offset) {
  const int64_t heads = queries.size(0), sets = queries.size(1), groups = queries.size(2), rows = queries.size(3);
  const int64_t distances = rows + num_keys - 1;
  const auto sinusoids =
      DistanceSinusoids(offset - (num_keys - 1), distances, config_.query_dim).flip(0).to(queries.options());
  const auto table = HeadsFirst(position(sinusoids).unsqueeze(0), heads).squeeze(1);  // [H, distances, D]
  const auto biased = queries.flatten(1, 3) + position_bias.unsqueeze(1) / std::sqrt(config_.head_dim);
  const auto logits = torch::bmm(biased, table.transpose(1, 2));  // [H, N G I, distances]
  const int64_t set = groups * rows * distances;
  return logits.as_strided({heads, sets, groups, rows, num_keys}, {sets * set, set, rows * distances, distances - 1, 1},
                           rows - 1);
}

torch::Tensor RelativeAttentionImpl::forward(const torch::Tensor& queries, const torch::Tensor& memory,
                                             const torch::Tensor& present, int64_t offset) {
  const int64_t sets = queries.size(0), groups = queries.size(1), rows = queries.size(2);
  const int64_t key_groups = memory.size(1), num_keys = memory.size(2);
  const int64_t shared_by = config_.num_heads / config_.num_kv_heads;
  const auto scaled = HeadsFirst(q(queries.flatten(1, 2)) * (1 / std::sqrt(config_.head_dim)), config_.num_heads);
  const auto keys = HeadsFirst(k(memory.flatten(1, 2)), config_.num_kv_heads);    // [K, N, M J, D]
  const auto values = HeadsFirst(v(memory.flatten(1, 2)), config_.num_kv_heads);  // [K, N, M J, D]
  const auto grouped = scaled.reshape({config_.num_heads, sets, groups, rows, config_.head_dim});
  const auto by_position = PositionLogits(grouped, num_keys, offset);  // [H, N, G, I, J]

  // Heads that share keys become rows of one product: [K, N, heads of each, G I, D].
  const auto split = [&](const torch::Tensor& x) { return x.unflatten(0, {-1, shared_by}).transpose(1, 2); };
  auto logits = torch::matmul(split(scaled).flatten(2, 3), keys.transpose(2, 3));
  logits = logits.view({config_.num_kv_heads, sets, shared_by, groups, rows, key_groups, num_keys});
  logits = logits.add_(split(by_position).unsqueeze(5));
  if (present.defined()) {
    const auto absent = present.logical_not().view({1, sets, 1, 1, 1, key_groups, num_keys});
    logits = logits.masked_fill_(absent, kAbsentLogit);
  }
  const auto weights = logits.flatten(5, 6).softmax(-1).flatten(2, 4);  // [K, N, heads of each G I, M J]
  const auto mixed = torch::matmul(weights, values).unflatten(2, {shared_by, groups * rows});
  const auto joined = mixed.permute({1, 3, 0, 2, 4}).reshape({sets, groups * rows, -1});
  auto result = out(joined).view({sets, groups, rows, -1});
  // Without a key the softmax is a mean over what is not there.
  if (present.defined()) result = result * present.flatten(1).any(1).view({sets, 1, 1, 1}).to(result.dtype());
  return result;
}

}  // namespace retro
