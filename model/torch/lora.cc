#include "model/torch/lora.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "model/safetensors.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeights = "adapter_model.safetensors";

// The layers that one matrix of the file stands for.
std::vector<Projection> ProjectionsOf(const LoraTarget& target, DecoderLayer& layer) {
  using Names = DecoderLayerNames;
  const auto& [attention, ffn] = std::tie(layer->attention, layer->ffn);
  if (target.role == &Names::q) return {attention->q};
  if (target.role == &Names::k) return {attention->k};
  if (target.role == &Names::v) return {attention->v};
  if (target.role == &Names::qkv) return {attention->q, attention->k, attention->v};
  if (target.role == &Names::attention_out) return {attention->out};
  if (target.role == &Names::ffn_gate) return {ffn->gate};
  return {target.role == &Names::ffn_up ? ffn->up : ffn->down};
}

bool SameTargets(const LoraConfig& a, const LoraConfig& b, const DecoderConfig& decoder) {
  const auto modules = [&](const LoraConfig& config) {
    std::vector<std::string> names;
    for (const LoraTarget& target : LoraTargets(decoder, config)) names.push_back(target.module);
    return names;
  };
  return modules(a) == modules(b);
}

}  // namespace

LoraWeights::LoraWeights(const LoraConfig& config, const DecoderConfig& decoder_config, DecoderModule& decoder)
    : config_(config), decoder_(decoder_config) {
  for (auto& weight : decoder->parameters()) weight.set_requires_grad(false);
  for (LoraTarget& target : LoraTargets(decoder_config, config)) {
    Matrices& matrices = matrices_.emplace_back();
    const double bound = 1 / std::sqrt(static_cast<double>(target.num_inputs));
    matrices.a = torch::empty({config.rank, target.num_inputs}).uniform_(-bound, bound).set_requires_grad(true);
    for (Projection& projection : ProjectionsOf(target, decoder->layers[target.layer])) {
      const auto b = torch::zeros({projection->weight.size(0), config.rank}).set_requires_grad(true);
      projection->SetLora({matrices.a, b, config.scale(), config.dropout}, /*shares_a=*/!matrices.b.empty());
      matrices.b.push_back(b);
    }
    matrices.target = std::move(target);
  }
}

void LoraWeights::Load(const fs::path& folder) {
  torch::NoGradGuard no_grad;
  const LoraConfig saved = ReadLoraConfig(folder);
  if (saved.rank != config_.rank || saved.scale() != config_.scale() || !SameTargets(saved, config_, decoder_)) {
    Throw(ErrorCode::kInvalidArgument,
          "{}: has rank {}, alpha {} and targets [{}]; to go on with it give the same --lora-rank, --lora-alpha, "
          "--lora-targets and --lora-layers",
          folder.string(), saved.rank, saved.alpha, fmt::join(saved.targets, ", "));
  }
  const SafetensorsFile file(folder / kWeights);
  for (Matrices& matrices : matrices_) {
    matrices.a.copy_(LoadTensor(file, matrices.target.TensorName('A'), matrices.a.sizes()));
    const auto b = LoadTensor(file, matrices.target.TensorName('B'), {matrices.target.num_outputs, config_.rank});
    int64_t row = 0;
    for (torch::Tensor& part : matrices.b) {
      part.copy_(b.slice(0, row, row + part.size(0)));
      row += part.size(0);
    }
  }
}

void LoraWeights::Save(const fs::path& folder) const {
  std::vector<torch::Tensor> held;  // what the views point into
  std::vector<TensorView> views;
  const auto add = [&](std::string name, const torch::Tensor& tensor) {
    const auto& kept = held.emplace_back(tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous());
    views.push_back({std::move(name), DataType::kF32, kept.sizes().vec(),
                     std::as_bytes(std::span(kept.const_data_ptr<float>(), static_cast<size_t>(kept.numel())))});
  };
  for (const Matrices& matrices : matrices_) {
    add(matrices.target.TensorName('A'), matrices.a);
    add(matrices.target.TensorName('B'), torch::cat(matrices.b));
  }
  WriteFileAtomically(folder / kConfig, PeftJson(config_, decoder_).dump(2) + "\n");
  WriteSafetensors(folder / kWeights, views, {{"format", "pt"}});
}

}  // namespace retro
