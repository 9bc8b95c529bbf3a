// The example files of a fine-tuning run, opened and checked: what it trains on and what it is measured on.
#pragma once

#include <memory>
#include <vector>

#include "training/chat_examples.h"
#include "training/example_mixture.h"
#include "training/train.h"

namespace retro {

// Const methods are safe from many threads.
class ExampleData {
 public:
  // Reads all files and says on the log what they hold. Throws Error(kInvalidArgument) when no chat template is given,
  // and as ReadChatExamples. REQUIRES: config.data.examples is not empty
  ExampleData(const TrainConfig& config, const TrainInputs& inputs);

  // From its beginning. Throws Error(kInvalidArgument) when the examples have fewer tokens than the run needs within
  // their --max-epochs.
  std::unique_ptr<ExampleMixture> Mixture(const TrainConfig& config) const;

  // Held-out examples of all files, packed as in training, in batches; empty where none is held out.
  std::vector<TrainingBatch> ValidationBatches(const TrainConfig& config) const;

 private:
  std::vector<ExampleSource> sources_;
  std::vector<ChatExamples> files_;  // one for each source
};

}  // namespace retro
