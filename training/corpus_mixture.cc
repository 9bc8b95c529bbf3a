#include "training/corpus_mixture.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace retro {
namespace {

std::vector<SequenceOrder::Part> OrderParts(const std::vector<CorpusMixture::Part>& parts) {
  std::vector<SequenceOrder::Part> order;
  for (const CorpusMixture::Part& part : parts) {
    const uint64_t size = part.sequences->num_sequences();
    SequenceOrder::Part& added = order.emplace_back();
    added.num_sequences = size;
    added.weight = part.weight > 0 ? part.weight : static_cast<double>(size);
    const double bound = part.max_epochs * static_cast<double>(size);
    if (part.max_epochs > 0 && bound < 1e18) added.max_draws = static_cast<uint64_t>(std::ceil(bound));
  }
  return order;
}

}  // namespace

CorpusMixture::CorpusMixture(const std::vector<Part>& parts, int64_t batch_size, uint64_t seed)
    : parts_(parts), batch_size_(batch_size), order_(OrderParts(parts), seed) {}

TrainingBatch CorpusMixture::Next() {
  TrainingBatch batch;
  for (int64_t i = 0; i < batch_size_; ++i) {
    const SequenceOrder::Draw draw = order_.Next();
    parts_[draw.part].sequences->Append(draw.sequence, batch);
  }
  return batch;
}

void CorpusMixture::Skip() {
  for (int64_t i = 0; i < batch_size_; ++i) order_.Next();
}

nlohmann::json CorpusMixture::Position() const { return {{"drawn", order_.drawn()}}; }

void CorpusMixture::Resume(const nlohmann::json& position) {
  const auto drawn = position.find("drawn");
  if (drawn == position.end() || !drawn->is_array()) {
    Throw(ErrorCode::kCorruption, "the checkpoint has no position in the corpora");
  }
  std::vector<uint64_t> counts;
  for (const nlohmann::json& count : *drawn) {
    if (!count.is_number_unsigned()) Throw(ErrorCode::kCorruption, "the checkpoint's position is not made of numbers");
    counts.push_back(count.get<uint64_t>());
  }
  order_.Resume(counts);
}

}  // namespace retro
