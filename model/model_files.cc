#include "model/model_files.h"

#include <vector>

#include "core/error.h"
#include "model/gguf.h"
#include "model/json_file.h"
#include "model/lora_adapter.h"
#include "model/safetensors.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// What cannot be looked at counts as absent: opening it then says why.
bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool IsFolder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

[[noreturn]] void ThrowNoWeights(const fs::path& folder) {
  const char* hint = Exists(folder / "pytorch_model.bin")
                         ? "; pytorch_model.bin is a pickle, which may run code: convert it to safetensors"
                         : "";
  Throw(ErrorCode::kNotFound, "{}: has neither model.safetensors nor model.safetensors.index.json{}", folder.string(),
        hint);
}

std::shared_ptr<const TensorSource> OpenFolderTensors(const fs::path& folder) {
  if (Exists(folder / "model.safetensors")) {
    return std::make_shared<SafetensorsFile>(folder / "model.safetensors");
  }
  const fs::path index = folder / "model.safetensors.index.json";
  if (!Exists(index)) ThrowNoWeights(folder);
  return std::make_shared<ShardedSafetensors>(index);
}

DecoderSource OpenGgufDecoder(const fs::path& path) {
  auto file = std::make_shared<GgufFile>(path);
  DecoderSource source;
  source.path = path;
  source.config = DecoderConfigFromGguf(*file);
  source.names = GgufDecoderNames(source.config, *file);
  source.tensors = std::move(file);
  // The converter reorders the rows of LLaMA's q and k for interleaved pairs.
  source.rope_style = RopeStyle::kInterleaved;
  return source;
}

DecoderSource OpenFolderDecoder(const fs::path& folder) {
  const fs::path config = folder / "config.json";
  if (!Exists(config) && Exists(folder / "adapter_config.json")) {
    Throw(ErrorCode::kInvalidArgument, "{}: is an adapter, not a model: give its base as the model and it as --adapter",
          folder.string());
  }
  DecoderSource source;
  source.path = folder;
  source.config = DecoderConfigFromJson(ReadJsonFile(config), config);
  source.tensors = OpenFolderTensors(folder);
  source.names = HuggingFaceDecoderNames(source.config, *source.tensors);
  source.transposed_linear = source.config.family == "gpt2";
  return source;
}

}  // namespace

bool IsGguf(const fs::path& path) { return path.extension() == ".gguf"; }

fs::path ResolveModelPath(const fs::path& path) {
  if (!Exists(path)) Throw(ErrorCode::kNotFound, "{}: there is no such model folder or file", path.string());
  if (!IsFolder(path) || Exists(path / "config.json")) return path;
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (IsGguf(at->path())) found.push_back(at->path());
  }
  if (error) ThrowErrno(error.value(), "list", path.string());
  if (found.size() > 1) {
    Throw(ErrorCode::kInvalidArgument, "{}: holds {} .gguf files; name one of them", path.string(), found.size());
  }
  return found.empty() ? path : found.front();
}

std::shared_ptr<const TensorSource> OpenTensors(const fs::path& path) {
  const fs::path model = ResolveModelPath(path);
  if (IsFolder(model)) return OpenFolderTensors(model);
  if (IsGguf(model)) return std::make_shared<GgufFile>(model);
  if (model.extension() == ".safetensors") return std::make_shared<SafetensorsFile>(model);
  if (model.extension() == ".json") return std::make_shared<ShardedSafetensors>(model);
  Throw(ErrorCode::kInvalidArgument, "{}: neither a model folder nor a .gguf or .safetensors file", path.string());
}

DecoderSource OpenDecoder(const fs::path& path, const fs::path& adapter) {
  const fs::path model = ResolveModelPath(path);
  if (!IsFolder(model) && !IsGguf(model)) {
    Throw(ErrorCode::kInvalidArgument, "{}: a decoder is a folder in Hugging Face layout or a .gguf file",
          path.string());
  }
  DecoderSource source = IsFolder(model) ? OpenFolderDecoder(model) : OpenGgufDecoder(model);
  if (!adapter.empty()) source.adapter = std::make_shared<const LoraAdapter>(adapter, source);
  return source;
}

BertSource OpenBert(const fs::path& folder) {
  if (!IsFolder(folder)) {
    Throw(ErrorCode::kNotFound, "{}: there is no such folder with an encoder", folder.string());
  }
  BertSource source;
  source.path = folder;
  source.config = LoadBertConfig(folder);
  source.tensors = OpenFolderTensors(folder);
  source.names = HuggingFaceBertNames(source.config, *source.tensors);
  return source;
}

}  // namespace retro
