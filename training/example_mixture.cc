#include "training/example_mixture.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "training/example_packing.h"

namespace retro {
namespace {

// Enough examples for packing to leave next to nothing empty, few enough to be nothing beside a step's work.
constexpr int64_t kWindowSequences = 64;

std::vector<SequenceOrder::Part> OrderParts(const std::vector<ExampleMixture::Part>& parts) {
  std::vector<SequenceOrder::Part> order;
  for (const ExampleMixture::Part& part : parts) {
    const auto size = static_cast<double>(part.examples->size());
    SequenceOrder::Part& added = order.emplace_back();
    added.num_sequences = part.examples->size();
    added.weight = part.weight > 0 ? part.weight : size;
    const double bound = part.max_epochs * size;
    if (part.max_epochs > 0 && bound < 1e18) added.max_draws = static_cast<uint64_t>(std::ceil(bound));
  }
  return order;
}

}  // namespace

void AppendPacked(const std::vector<const ChatExample*>& examples, int64_t seq_len, TrainingBatch& batch) {
  batch.seq_len = seq_len;
  ++batch.num_sequences;
  const size_t end = batch.num_sequences * seq_len;
  for (const ChatExample* example : examples) {
    batch.tokens.insert(batch.tokens.end(), example->tokens.begin(), example->tokens.end());
    for (size_t i = 1; i < example->tokens.size(); ++i) {
      batch.targets.push_back(example->learned[i] ? example->tokens[i] : kNoTarget);
    }
    batch.targets.push_back(kNoTarget);
    batch.example_lens.push_back(std::ssize(example->tokens));
  }
  if (batch.tokens.size() < end) batch.example_lens.push_back(static_cast<int64_t>(end - batch.tokens.size()));
  batch.tokens.resize(end, 0);
  batch.targets.resize(end, kNoTarget);
}

ExampleMixture::ExampleMixture(const std::vector<Part>& parts, int64_t seq_len, int64_t batch_size, uint64_t seed,
                               std::string fingerprint)
    : parts_(parts),
      seq_len_(seq_len),
      batch_size_(batch_size),
      seed_(seed),
      fingerprint_(std::move(fingerprint)),
      order_(OrderParts(parts), seed),
      window_start_(order_.drawn()) {}

void ExampleMixture::FillWindow() {
  window_start_ = order_.drawn();
  window_.clear();
  next_ = 0;
  std::vector<const ChatExample*> examples;
  std::vector<size_t> lengths;
  int64_t tokens = 0;
  while (tokens < kWindowSequences * seq_len_ && order_.num_left() > 0) {
    const SequenceOrder::Draw draw = order_.Next();
    examples.push_back(&(*parts_[draw.part].examples)[draw.sequence]);
    lengths.push_back(examples.back()->tokens.size());
    tokens += std::ssize(examples.back()->tokens);
  }
  const auto bins = PackIntoBins(lengths, seq_len_);
  const uint64_t drawn = std::accumulate(window_start_.begin(), window_start_.end(), uint64_t{0});
  const Permutation shuffle(bins.size(), MixSeed(seed_, drawn));
  for (size_t i = 0; i < bins.size(); ++i) {
    std::vector<const ChatExample*>& sequence = window_.emplace_back();
    for (const size_t item : bins[shuffle.At(i)]) sequence.push_back(examples[item]);
  }
}

TrainingBatch ExampleMixture::Next() {
  TrainingBatch batch;
  for (int64_t i = 0; i < batch_size_; ++i) {
    if (next_ == window_.size()) FillWindow();
    if (window_.empty()) Throw(ErrorCode::kInternal, "packed beyond the last example");
    AppendPacked(window_[next_++], seq_len_, batch);
  }
  return batch;
}

nlohmann::json ExampleMixture::Position() const {
  return {{"drawn", window_start_}, {"taken", next_}, {"examples", fingerprint_}};
}

void ExampleMixture::Resume(const nlohmann::json& position) {
  std::vector<uint64_t> drawn;
  size_t taken = 0;
  std::string fingerprint;
  try {
    position.at("drawn").get_to(drawn);
    position.at("taken").get_to(taken);
    position.at("examples").get_to(fingerprint);
  } catch (const nlohmann::json::exception& error) {
    Throw(ErrorCode::kCorruption, "the checkpoint's position in the examples cannot be read: {}", error.what());
  }
  if (fingerprint != fingerprint_) {
    Throw(ErrorCode::kInvalidArgument,
          "the files of --examples have changed since the checkpoint was made; give the old ones, or another --out");
  }
  order_.Resume(drawn);
  window_start_ = drawn;
  window_.clear();
  next_ = 0;
  if (taken > 0) FillWindow();
  if (taken > window_.size()) Throw(ErrorCode::kCorruption, "the checkpoint's position is beyond its window");
  next_ = taken;
}

}  // namespace retro
