// A model's files opened for reading: configuration, tensors and what they are called. The engines start from here.
#pragma once

#include <filesystem>
#include <memory>

#include "model/bert_config.h"
#include "model/decoder_config.h"
#include "model/tensor.h"
#include "model/weight_names.h"

namespace retro {

class LoraAdapter;

// Which elements of a head RoPE turns together, with d = head_dim: (i, i + d/2), or (2i, 2i + 1).
enum class RopeStyle { kHalfSplit, kInterleaved };

// Names and shapes are checked when a tensor is taken with TensorSource::Get. Copies share the map.
struct DecoderSource {
  std::filesystem::path path;
  DecoderConfig config;
  std::shared_ptr<const TensorSource> tensors;
  DecoderWeightNames names;
  bool transposed_linear = false;  // the layers' matrices are [in, out] (GPT-2 in Hugging Face layout)
  RopeStyle rope_style = RopeStyle::kHalfSplit;
  std::shared_ptr<const LoraAdapter> adapter = {};  // what the engines add to the weights; null: nothing
};

struct BertSource {
  std::filesystem::path path;
  BertConfig config;
  std::shared_ptr<const TensorSource> tensors;
  BertWeightNames names;
};

bool IsGguf(const std::filesystem::path& path);  // by its name

// The path itself, or the one .gguf file of a folder that has no config.json. Throws Error(kNotFound) when there is no
// such path, and Error(kInvalidArgument) when several files could be meant.
std::filesystem::path ResolveModelPath(const std::filesystem::path& path);

// A folder in Hugging Face layout (config.json; model.safetensors, or model.safetensors.index.json and its shards), or
// a .gguf file (or the folder of just one). Throws Error(kNotFound, kCorruption, kInvalidArgument) naming file and
// field. `adapter`: a folder in PEFT's layout (model/lora_adapter.h), whose updates the engines then apply; empty:
// none.
DecoderSource OpenDecoder(const std::filesystem::path& path, const std::filesystem::path& adapter = {});
BertSource OpenBert(const std::filesystem::path& folder);

// The tensors of a folder in Hugging Face layout, or of one .safetensors or .gguf file.
std::shared_ptr<const TensorSource> OpenTensors(const std::filesystem::path& path);

}  // namespace retro
