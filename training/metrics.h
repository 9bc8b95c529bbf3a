// What a run reports: a line on stderr, a line of metrics.jsonl, a point of TensorBoard's curves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "training/tensorboard_writer.h"

namespace retro {

// Of one step. All but the timing is the same on every run of the same options.
struct StepMetrics {
  int64_t step = 0;    // steps done, this one included
  int64_t tokens = 0;  // trained on so far
  double loss = 0;     // nats a token
  double bits_per_byte = 0;
  double learning_rate = 0;
  double gradient_norm = 0;  // before clipping
  bool skipped = false;      // a bad step whose update was left out
  // Timing.
  double tokens_per_second = 0;
  double peak_share = 0;  // of the measured peak of matrix products
  double seconds_left = 0;
};

// Of one measurement on held-out sequences.
struct ValidationMetrics {
  struct Arm {
    double loss = 0, bits_per_byte = 0;
  };
  int64_t step = 0;
  Arm off;                // without neighbours: the only arm of a model without retrieval
  std::optional<Arm> on;  // with neighbours

  const Arm& best_arm() const { return on ? *on : off; }
};

std::string Line(const StepMetrics& metrics, int64_t steps);
std::string Line(const ValidationMetrics& metrics);
nlohmann::json ToJson(const StepMetrics& metrics);
nlohmann::json ToJson(const ValidationMetrics& metrics);

// metrics.jsonl and tensorboard/ of a run's folder. One thread at a time.
class MetricsLog {
 public:
  // What is there of steps after `resumed_step` is dropped: the run goes on from that step. Throws Error(kIo).
  MetricsLog(const std::filesystem::path& folder, int64_t resumed_step);

  void Add(const StepMetrics& metrics);
  void Add(const ValidationMetrics& metrics);

 private:
  void AppendLine(const nlohmann::json& json);

  std::filesystem::path path_;
  Descriptor file_;
  TensorboardWriter tensorboard_;
};

}  // namespace retro
