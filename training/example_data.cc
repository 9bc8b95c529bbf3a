#include "training/example_data.h"

#include <algorithm>

#include "core/error.h"
#include "core/hash.h"
#include "core/progress.h"
#include "training/example_packing.h"
#include "training/run_log.h"

namespace retro {
namespace {

void Report(const std::string& path, const ChatExamples& file) {
  LogInfo(fmt::format("{}: {} examples of {} tokens, {} of them learned; {} held out{}", path,
                      FormatCount(file.train.size()), FormatCount(file.num_tokens(file.train)),
                      FormatCount(file.num_learned(file.train)), FormatCount(file.valid.size()),
                      file.cut == 0 ? "" : fmt::format("; {} cut at the end", FormatCount(file.cut))));
  if (const std::string left_out = file.report.Summary(); !left_out.empty()) {
    LogWarning(fmt::format("{}: left out {}", path, left_out));
  }
}

void HashExamples(const std::vector<ChatExample>& examples, Hasher& hasher) {
  for (const ChatExample& example : examples) {
    hasher.Update(std::as_bytes(std::span(example.tokens)));
    for (const bool learned : example.learned) hasher.Update(std::string_view(learned ? "1" : "0"));
  }
}

}  // namespace

ExampleData::ExampleData(const TrainConfig& config, const TrainInputs& inputs) : sources_(config.data.examples) {
  if (inputs.chat == nullptr) Throw(ErrorCode::kInvalidArgument, "--examples: the model has no chat template");
  const ChatExampleOptions options{config.data.seq_len, config.data.long_examples, config.data.valid_fraction};
  for (const ExampleSource& source : sources_) {
    files_.push_back(ReadChatExamples(source.path, *inputs.chat, *inputs.tokenizer, options));
    Report(source.path, files_.back());
  }
}

std::unique_ptr<ExampleMixture> ExampleData::Mixture(const TrainConfig& config) const {
  std::vector<ExampleMixture::Part> parts;
  Hasher hasher;
  double allowed = 0;  // tokens within --max-epochs
  for (size_t i = 0; i < files_.size(); ++i) {
    const std::vector<ChatExample>& examples = files_[i].train;
    parts.push_back({&examples, sources_[i].weight, sources_[i].max_epochs});
    HashExamples(examples, hasher);
    const double epochs = sources_[i].max_epochs > 0 ? sources_[i].max_epochs : 1e18;
    allowed += epochs * static_cast<double>(files_[i].num_tokens(examples));
  }
  const double wanted = static_cast<double>(config.steps) * static_cast<double>(config.TokensPerStep());
  if (allowed < wanted) {
    Throw(ErrorCode::kInvalidArgument,
          "--steps {} take {} tokens, the examples have {} within --max-epochs; give fewer steps, more epochs or more "
          "examples",
          config.steps, FormatCount(static_cast<uint64_t>(wanted)), FormatCount(static_cast<uint64_t>(allowed)));
  }
  return std::make_unique<ExampleMixture>(parts, config.data.seq_len, config.data.batch_size, config.seed,
                                          hasher.HexDigest());
}

std::vector<TrainingBatch> ExampleData::ValidationBatches(const TrainConfig& config) const {
  std::vector<TrainingBatch> batches;
  for (const ChatExamples& file : files_) {
    std::vector<size_t> lengths;
    for (const ChatExample& example : file.valid) lengths.push_back(example.tokens.size());
    const auto bins = PackIntoBins(lengths, config.data.seq_len);
    const auto taken = std::min<size_t>(bins.size(), config.valid_sequences);
    for (size_t i = 0; i < taken; ++i) {
      if (i % config.data.batch_size == 0) batches.emplace_back();
      std::vector<const ChatExample*> sequence;
      for (const size_t item : bins[i * bins.size() / taken]) sequence.push_back(&file.valid[item]);
      AppendPacked(sequence, config.data.seq_len, batches.back());
    }
  }
  return batches;
}

}  // namespace retro
