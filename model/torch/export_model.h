// A model that retro reads (a training checkpoint, a folder in Hugging Face layout, a .gguf file), written as a folder
// in Hugging Face layout that transformers loads: config.json, model.safetensors, generation_config.json,
// tokenizer.json, tokenizer_config.json, and tokenizer.model where the tokenizer is sentencepiece's.
// Shows no LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>

#include "model/tensor.h"

namespace retro {

struct ExportOptions {
  DataType type = DataType::kF32;        // kF32, kF16 or kBF16: of all weights
  std::filesystem::path tokenizer = {};  // folder or file; empty: the model's own
  std::filesystem::path adapter = {};    // a LoRA adapter that goes into the weights; empty: none
};

struct ExportedModel {
  uint64_t num_parameters = 0;
  uint64_t weight_bytes = 0;
};

// Of a LoRA adapter's folder: the adapter alone, in PEFT's layout. Quantized weights become the numbers that they stand
// for. What chunked cross-attention adds is written too, under names that transformers leaves aside: it loads the base
// decoder. The whole model is in memory meanwhile, in fp32. `out` appears as a whole or not at all. Throws Error:
// kInvalidArgument when `out` exists and is not an empty folder, when the model has a part that config.json cannot say,
// when a weight is too large for f16, or when tokenizer and model do not belong together; kNotFound when there is no
// tokenizer; kIo, e.g. on a full disk; kCorruption.
ExportedModel ExportModel(const std::filesystem::path& model, const std::filesystem::path& out,
                          const ExportOptions& options = {});

}  // namespace retro
