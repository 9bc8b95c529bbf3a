// The corpora of a run, opened and checked: what it trains on and what it is measured on.
#pragma once

#include <memory>
#include <vector>

#include "datasets/tokenizer.h"
#include "training/corpus_mixture.h"
#include "training/train.h"

namespace retro {

// Const methods are safe from many threads.
class TrainingData {
 public:
  // Throws Error(kInvalidArgument) when a corpus was made with another tokenizer, and what SequenceReader throws.
  TrainingData(const TrainConfig& config, const TrainInputs& inputs, const NeighbourShape& shape);

  // The mixture from its beginning. Throws Error(kInvalidArgument) when the corpora have fewer sequences than the run
  // needs within their --max-epochs.
  std::unique_ptr<CorpusMixture> Mixture(const TrainConfig& config) const;

  // Held-out sequences of all corpora, in batches; empty where no corpus has a "valid" part.
  std::vector<TrainingBatch> ValidationBatches(const TrainConfig& config) const;
  // All corpora with a "valid" part have neighbours for it.
  bool validation_has_neighbours() const;

 private:
  std::vector<CorpusSource> corpora_;
  std::vector<std::unique_ptr<const SequenceReader>> train_, valid_;  // valid_: only the corpora that have one
};

}  // namespace retro
