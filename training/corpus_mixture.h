// Pre-training's batches: sequences of several corpora, shuffled and mixed by weight. No padding.
#pragma once

#include <vector>

#include "training/sequence_order.h"
#include "training/sequence_reader.h"

namespace retro {

class CorpusMixture final : public BatchSource {
 public:
  struct Part {
    const SequenceReader* sequences;  // must live as long
    double weight = 0;                // 0: by the number of sequences
    double max_epochs = 0;            // 0: no bound
  };

  CorpusMixture(const std::vector<Part>& parts, int64_t batch_size, uint64_t seed);

  uint64_t num_sequences_left() const { return order_.num_left(); }

  TrainingBatch Next() override;
  void Skip() override;
  nlohmann::json Position() const override;
  void Resume(const nlohmann::json& position) override;

 private:
  std::vector<Part> parts_;
  int64_t batch_size_;
  SequenceOrder order_;
};

}  // namespace retro
