// Trains a model: options and data in, a folder of checkpoints and measurements out.
// Shows no LibTorch.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/communicator.h"
#include "datasets/chunk_source.h"
#include "datasets/tokenizer.h"
#include "model/chat_template.h"
#include "training/metrics.h"
#include "training/train_config.h"

namespace retro {

// What the run reads and does not open itself. All must live as long as the run.
struct TrainInputs {
  const Tokenizer* tokenizer = nullptr;
  std::vector<const ChunkSource*> databases;  // one for each corpus; null where it has none
  const ChatTemplate* chat = nullptr;         // how examples are written; null where there are none
  size_t num_threads = 0;                     // of LibTorch; 0: as many as it takes by itself
  Communicator* ranks = nullptr;              // that train together; null: this process alone
};

struct TrainResult {
  int64_t step = 0;
  std::string checkpoint;
  std::optional<ValidationMetrics> validation;  // at the end
  bool nothing_to_do = false;                   // the run had been finished before
};

// Called after every step, before a checkpoint that may be due.
using StepObserver = std::function<void(const StepMetrics&)>;

// Runs until config.steps, from the newest good checkpoint in config.out if there is one: then everything goes on as
// if the run had not been interrupted, bit for bit on the same machine with the same number of threads.
//
// With several ranks every one of them calls it, with the same options and a view of the same files. Rank 0 writes;
// results, and decisions such as the end after a bad step or an interrupt, are the same on all. W ranks train as one
// with W times the accumulation (the order of sums differs), and a run may go on with another number of ranks whose
// product with the accumulation is the same.
//
// Throws Error: kInvalidArgument for options that cannot be and inputs that do not belong together, kUnavailable when
// interrupted (after a checkpoint was saved) or when the device has no memory left, kIo when a checkpoint cannot be
// written (those before it stay), kCorruption, kNotFound.
TrainResult Train(const TrainConfig& config, const TrainInputs& inputs, const StepObserver& observer = {});

}  // namespace retro
