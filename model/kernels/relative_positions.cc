#include "model/kernels/relative_positions.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/kernels/kernels.h"
#include "model/kernels/thread_buffer.h"

namespace retro {
namespace {

using kernels::kPanel;

// R(d) for each distance of the range, falling: [num_distances, width].
std::vector<float> Sinusoids(const DistanceRange& range, int64_t width) {
  std::vector<float> rows(range.num_distances() * width);
  for (int64_t row = 0; row < range.num_distances(); ++row) {
    const auto distance = static_cast<double>(range.first_distance - row);
    for (int64_t i = 0; i < width; i += 2) {
      const double angle = distance / std::pow(10000.0, static_cast<double>(i) / static_cast<double>(width));
      rows[row * width + i] = static_cast<float>(std::sin(angle));
      rows[row * width + i + 1] = static_cast<float>(std::cos(angle));
    }
  }
  return rows;
}

}  // namespace

RelativePositions::RelativePositions(const DistanceRange& range, const PackedMatrix& weight,
                                     std::span<const float> bias, int64_t head_dim, ThreadPool& pool)
    : range_(range),
      head_dim_(head_dim),
      num_panels_((range.num_distances() + kPanel - 1) / kPanel),
      bias_(bias.begin(), bias.end()) {
  const auto sinusoids = Sinusoids(range, weight.num_inputs());
  std::vector<float> rows(range.num_distances() * weight.num_outputs());
  MatMul(sinusoids.data(), range.num_distances(), weight.num_inputs(), weight, rows.data(), weight.num_outputs(), {},
         pool);
  Pack(rows, weight.num_outputs() / head_dim);
}

void RelativePositions::Pack(std::span<const float> rows, int64_t num_heads) {
  panels_.assign(num_heads * num_panels_ * head_dim_ * kPanel, 0.0f);
  for (int64_t row = 0; row < range_.num_distances(); ++row) {
    for (int64_t head = 0; head < num_heads; ++head) {
      const float* from = rows.data() + (row * num_heads + head) * head_dim_;
      float* to = panels_.data() + (head * num_panels_ + row / kPanel) * head_dim_ * kPanel + row % kPanel;
      for (int64_t i = 0; i < head_dim_; ++i) to[i * kPanel] = from[i];
    }
  }
}

void RelativePositions::Scores(const RelativeScoresArgs& args) const {
  const int64_t num_keys = std::accumulate(args.segment_lens.begin(), args.segment_lens.end(), int64_t{0});
  for (int64_t head = 0; head < args.num_heads; ++head) HeadScores(args, head, num_keys);
}

// Query i at row i of a product with the distances of all queries: its own begin one later than those of query i + 1.
void RelativePositions::HeadScores(const RelativeScoresArgs& args, int64_t head, int64_t num_keys) const {
  const int64_t longest = std::ranges::max(args.segment_lens);
  const int64_t last_begin = range_.num_queries - 1 - args.first_query + args.first_key;
  const int64_t first_panel = (last_begin - (args.num_queries - 1)) / kPanel;
  const int64_t end_panel = (last_begin + longest + kPanel - 1) / kPanel;
  const int64_t width = (end_panel - first_panel) * kPanel;

  thread_local kernels::ThreadBuffer<float> buffer;
  float* queries = buffer.Get(args.num_queries * (head_dim_ + width));
  float* products = queries + args.num_queries * head_dim_;
  const float* bias = bias_.data() + (args.first_head + head) * head_dim_;
  for (int64_t i = 0; i < args.num_queries; ++i) {
    const float* query = args.queries + i * args.query_stride + head * head_dim_;
    for (int64_t j = 0; j < head_dim_; ++j) queries[i * head_dim_ + j] = (query[j] + bias[j]) * args.scale;
  }
  const int64_t panel_size = head_dim_ * kPanel;
  kernels::ActiveKernels().gemm(
      {.x = queries,
       .x_stride = head_dim_,
       .num_rows = args.num_queries,
       .depth = head_dim_,
       .panels = panels_.data() + ((args.first_head + head) * num_panels_ + first_panel) * panel_size,
       .row_stride = kPanel,
       .panel_stride = panel_size,
       .num_panels = end_panel - first_panel,
       .c = products,
       .c_stride = width,
       .accumulate = false,
       .streaming = false});
  for (int64_t i = 0; i < args.num_queries; ++i) {
    const float* row = products + i * width + (last_begin - i - first_panel * kPanel);
    float* scores = args.scores + (i * args.num_heads + head) * num_keys;
    for (const int64_t len : args.segment_lens) scores = std::copy_n(row, len, scores);
  }
}

}  // namespace retro
