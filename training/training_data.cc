#include "training/training_data.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/progress.h"

namespace retro {
namespace {

void RequireTokenizer(const SequenceReader& reader, const Tokenizer& tokenizer) {
  const std::string made_with = reader.manifest().fingerprints.value("tokenizer", "");
  if (made_with == tokenizer.fingerprint()) return;
  Throw(ErrorCode::kInvalidArgument,
        "{}: was tokenized with another vocabulary (fingerprint {}, the model's tokenizer has {}); build it with the "
        "model's tokenizer",
        reader.folder().string(), made_with, tokenizer.fingerprint());
}

std::optional<NeighbourSource> Neighbours(const std::string& table, const CorpusSource& corpus,
                                          const ChunkSource* chunks, const NeighbourShape& shape) {
  if (table.empty() || shape.num_neighbours == 0) return std::nullopt;
  if (chunks == nullptr) Throw(ErrorCode::kInternal, "{}: no database was opened for it", corpus.folder);
  return NeighbourSource{table, corpus.database, chunks};
}

bool HasValidPart(const SequenceReader& reader, uint32_t seq_len) {
  const nlohmann::json parts = reader.manifest().counts.value("parts", nlohmann::json::object());
  return parts.value("valid", nlohmann::json::object()).value("tokens", uint64_t{0}) > seq_len;
}

}  // namespace

TrainingData::TrainingData(const TrainConfig& config, const TrainInputs& inputs, const NeighbourShape& shape)
    : corpora_(config.data.corpora) {
  for (size_t i = 0; i < corpora_.size(); ++i) {
    const CorpusSource& corpus = corpora_[i];
    const ChunkSource* chunks = i < inputs.databases.size() ? inputs.databases[i] : nullptr;
    const auto open = [&](const char* part, const std::string& table) {
      return std::make_unique<const SequenceReader>(corpus.folder, part, config.data.seq_len, shape,
                                                    Neighbours(table, corpus, chunks, shape));
    };
    train_.push_back(open("train", corpus.neighbours));
    RequireTokenizer(*train_.back(), *inputs.tokenizer);
    if (config.valid_sequences > 0 && HasValidPart(*train_.back(), config.data.seq_len)) {
      valid_.push_back(open("valid", corpus.valid_neighbours));
    }
  }
  const bool any = std::ranges::any_of(train_, [](const auto& reader) { return reader->has_neighbours(); });
  if (shape.num_neighbours > 0 && !any) {
    Throw(ErrorCode::kInvalidArgument,
          "no corpus has --neighbours, without which chunked cross-attention learns nothing: make a table with `retro "
          "neighbours build`");
  }
}

std::unique_ptr<CorpusMixture> TrainingData::Mixture(const TrainConfig& config) const {
  std::vector<CorpusMixture::Part> parts;
  for (size_t i = 0; i < train_.size(); ++i) {
    parts.push_back({train_[i].get(), corpora_[i].weight, corpora_[i].max_epochs});
  }
  auto mixture = std::make_unique<CorpusMixture>(parts, config.data.batch_size, config.seed);
  const auto wanted = static_cast<uint64_t>(config.steps) * static_cast<uint64_t>(config.SequencesPerStep());
  if (mixture->num_sequences_left() < wanted) {
    Throw(ErrorCode::kInvalidArgument,
          "--steps {} take {} sequences, --max-epochs allows {}; give fewer steps, more epochs or more text",
          config.steps, FormatCount(wanted), FormatCount(mixture->num_sequences_left()));
  }
  return mixture;
}

std::vector<TrainingBatch> TrainingData::ValidationBatches(const TrainConfig& config) const {
  std::vector<TrainingBatch> batches;
  for (const auto& reader : valid_) {
    const uint64_t all = reader->num_sequences();
    const uint64_t taken = std::min<uint64_t>(all, config.valid_sequences);
    for (uint64_t i = 0; i < taken; ++i) {
      if (i % config.data.batch_size == 0) batches.emplace_back();
      reader->Append(i * all / taken, batches.back());
    }
  }
  return batches;
}

bool TrainingData::validation_has_neighbours() const {
  return !valid_.empty() && std::ranges::all_of(valid_, [](const auto& reader) { return reader->has_neighbours(); });
}

}  // namespace retro
