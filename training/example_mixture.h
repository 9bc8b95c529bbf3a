// Fine-tuning's batches: examples of several files, shuffled and mixed by weight, several of them packed into each
// sequence.
#pragma once

#include <string>
#include <vector>

#include "model/chat_template.h"
#include "training/batch.h"
#include "training/sequence_order.h"

namespace retro {

// Adds a sequence of `seq_len` tokens made of these examples, in their order, as the last one of a batch. What is left
// over is padding without targets. REQUIRES: together they are no longer than the sequence
void AppendPacked(const std::vector<const ChatExample*>& examples, int64_t seq_len, TrainingBatch& batch);

// Examples are drawn in SequenceOrder's order (a shuffle of each file an epoch) for a window of many sequences at a
// time, and those of a window are packed tightly and its sequences shuffled. So a position is the draws before a window
// and how many of its sequences were taken.
class ExampleMixture final : public BatchSource {
 public:
  struct Part {
    const std::vector<ChatExample>* examples;  // must live as long
    double weight = 0;                         // share of the examples; 0: by their number
    double max_epochs = 0;                     // 0: no bound
  };

  // `fingerprint` of the examples: a position belongs to them alone.
  ExampleMixture(const std::vector<Part>& parts, int64_t seq_len, int64_t batch_size, uint64_t seed,
                 std::string fingerprint);

  // REQUIRES: the bounds allow it: each sequence takes at most seq_len tokens of examples
  TrainingBatch Next() override;
  nlohmann::json Position() const override;
  // Throws Error: kInvalidArgument when the examples have changed, kCorruption when it is no position.
  void Resume(const nlohmann::json& position) override;

 private:
  void FillWindow();

  std::vector<Part> parts_;
  int64_t seq_len_, batch_size_;
  uint64_t seed_;
  std::string fingerprint_;
  SequenceOrder order_;
  std::vector<uint64_t> window_start_;                   // order_.drawn() before the window
  std::vector<std::vector<const ChatExample*>> window_;  // its sequences
  size_t next_ = 0;                                      // of the window
};

}  // namespace retro
