#include "model/torch/export_model.h"

#include <deque>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/staged_folder.h"
#include "model/export_tokenizer.h"
#include "model/json_file.h"
#include "model/load_tokenizer.h"
#include "model/lora_adapter.h"
#include "model/safetensors.h"
#include "model/torch/padded_batch.h"
#include "model/torch/retro_module_weights.h"
#include "model/torch/save_decoder.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

void RefuseExisting(const fs::path& out) {
  std::error_code error;
  if (!fs::exists(out, error) || (fs::is_directory(out, error) && fs::is_empty(out, error))) return;
  Throw(ErrorCode::kInvalidArgument, "--out {}: exists already and is left alone; give a new folder", out.string());
}

void RequireWritable(const DecoderSource& source) {
  if (source.names.rope_frequency_factors.empty()) return;
  Throw(ErrorCode::kInvalidArgument,
        "{}: stretches its positions by a tensor of factors, which config.json has no field for; use the model's "
        "original Hugging Face folder",
        source.path.string());
}

std::string_view TorchName(DataType type) {
  return type == DataType::kF16 ? "float16" : type == DataType::kBF16 ? "bfloat16" : "float32";
}

// The ids that generation needs, and of what type the weights are.
void CompleteConfig(const fs::path& file, const Tokenizer& tokenizer, DataType type) {
  nlohmann::json json = ReadJsonFile(file);
  json.update(SpecialTokenIds(tokenizer));
  json["dtype"] = json["torch_dtype"] = TorchName(type);
  WriteFileAtomically(file, json.dump(1) + "\n");
}

uint64_t NumParameters(const TensorSource& tensors) {
  uint64_t count = 0;
  for (const std::string& name : tensors.Names()) count += static_cast<uint64_t>(tensors.Find(name)->num_elements());
  return count;
}

// In PEFT's layout, as it was but for the type.
ExportedModel ExportAdapter(const fs::path& adapter, const fs::path& out, const ExportOptions& options) {
  if (!options.tokenizer.empty() || !options.adapter.empty()) {
    Throw(ErrorCode::kInvalidArgument, "{}: is an adapter itself: leave {} out", adapter.string(),
          options.adapter.empty() ? "--tokenizer" : "--adapter");
  }
  ReadLoraConfig(adapter);
  const SafetensorsFile weights(adapter / "adapter_model.safetensors");
  std::deque<torch::Tensor> held;
  std::vector<TensorView> views;
  ExportedModel exported;
  for (const std::string& name : weights.Names()) {
    const TensorView& tensor = *weights.Find(name);
    const std::vector<float> values = Dequantize(tensor);
    const auto read = torch::from_blob(const_cast<float*>(values.data()), tensor.shape).clone();
    views.push_back(Converted(name, read, options.type, held));
    exported.num_parameters += values.size();
    exported.weight_bytes += views.back().bytes.size();
  }
  StagedFolder staged(out, StagedFolder::Unpublished::kRemove);
  staged.Clear();
  WriteSafetensors(staged.path() / "adapter_model.safetensors", views, weights.metadata());
  WriteFileAtomically(staged.path() / "adapter_config.json", ReadFile(adapter / "adapter_config.json"));
  staged.Publish();
  return exported;
}

}  // namespace

ExportedModel ExportModel(const fs::path& model, const fs::path& out, const ExportOptions& options) {
  RefuseExisting(out);
  if (fs::exists(model / "adapter_config.json")) return ExportAdapter(model, out, options);
  const DecoderSource source = OpenDecoder(model, options.adapter);
  RequireWritable(source);
  const fs::path tokenizer_path = options.tokenizer.empty() ? model : options.tokenizer;
  const auto tokenizer = LoadTokenizer(tokenizer_path);
  if (static_cast<int64_t>(tokenizer->vocab_size()) > source.config.vocab_size) {
    Throw(ErrorCode::kInvalidArgument, "{}: has {} tokens, the model {}: they do not belong together",
          tokenizer_path.string(), tokenizer->vocab_size(), source.config.vocab_size);
  }
  StagedFolder staged(out, StagedFolder::Unpublished::kRemove);
  staged.Clear();
  TranslateTorchErrors([&] { CopyModel(source, staged.path(), options.type); });
  CompleteConfig(staged.path() / "config.json", *tokenizer, options.type);
  ExportTokenizer(tokenizer_path, *tokenizer, source.config.context_len, staged.path());
  const uint64_t count = NumParameters(*OpenTensors(staged.path()));
  SyncDirectory(staged.path());
  staged.Publish();
  return {count, count * BlockBytes(options.type)};
}

}  // namespace retro
