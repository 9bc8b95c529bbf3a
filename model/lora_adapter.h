// LoRA adapters: beside a frozen matrix W they hold A [rank, in] and B [out, rank], and the layer computes
// W x + alpha / rank · B A x (Hu et al. 2021, arXiv 2106.09685, section 4.1). Files are in the layout of the peft
// library, adapter_config.json and adapter_model.safetensors, so that adapters go both ways.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_files.h"

namespace retro {

// What adapter_config.json says.
struct LoraConfig {
  int64_t rank = 16;
  double alpha = 32;
  double dropout = 0;                // of x before A, while training
  bool rank_stabilized = false;      // alpha / sqrt(rank) instead (Kalajdzievski 2023)
  std::vector<std::string> targets;  // names of projections: q_proj, ... or c_attn, ...; empty: all
  std::vector<int64_t> layers;       // from 0; empty: all
  std::string base;                  // path of the model that it belongs to, for people

  double scale() const;
};

// A matrix of the decoder that can be adapted.
struct LoraTarget {
  int64_t layer;
  std::string DecoderLayerNames::*role;  // its name among those of the layer
  std::string module;                    // its path in transformers: "model.layers.0.self_attn.q_proj"
  int64_t num_outputs, num_inputs;

  std::string projection() const;         // "q_proj"
  std::string TensorName(char ab) const;  // of A or B in adapter_model.safetensors
};

// What an adapter of these options changes, in the order of the layers. Throws Error(kInvalidArgument) on a projection
// or layer that the decoder does not have.
std::vector<LoraTarget> LoraTargets(const DecoderConfig& decoder, const LoraConfig& config);

// Throws Error: kInvalidArgument naming the field that asks for what retro does not do (DoRA, biases, modules saved
// whole, ranks by pattern), kNotFound, kCorruption.
LoraConfig ReadLoraConfig(const std::filesystem::path& folder);
nlohmann::json PeftJson(const LoraConfig& config, const DecoderConfig& decoder);

// An update of one matrix, the scale within b: W becomes W + b a.
struct LowRankUpdate {
  int64_t rank, num_outputs, num_inputs;
  std::vector<float> a;  // [rank, num_inputs]
  std::vector<float> b;  // [num_outputs, rank], rows in the order of the base's file
};

// Immutable.
class LoraAdapter {
 public:
  // Reads the adapter of a folder for this base. Throws Error: as ReadLoraConfig; kInvalidArgument when it adapts what
  // the base does not have; kCorruption naming file and tensor when one is missing or has another shape.
  LoraAdapter(const std::filesystem::path& folder, const DecoderSource& base);

  // By the name of the weight in the base's file; null where it stays as it is.
  const LowRankUpdate* Find(std::string_view weight) const;
  const LoraConfig& config() const { return config_; }

 private:
  LoraConfig config_;
  std::map<std::string, LowRankUpdate, std::less<>> updates_;
};

}  // namespace retro
