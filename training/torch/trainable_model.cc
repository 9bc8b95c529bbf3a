#include "training/torch/trainable_model.h"

#include <cmath>

#include "core/error.h"
#include "model/rope_frequencies.h"
#include "training/torch/save_decoder.h"

namespace retro {
namespace {

constexpr double kInitialDeviation = 0.02;

// GPT-2's start: normal weights, those that end a residual branch smaller by the number of branches.
void Initialize(DecoderModule& decoder, int64_t num_layers) {
  torch::NoGradGuard no_grad;
  const double residual = kInitialDeviation / std::sqrt(2.0 * static_cast<double>(num_layers));
  for (auto& named : decoder->named_parameters()) {
    const std::string& name = named.key();
    if (name.ends_with("bias")) {
      named.value().zero_();
    } else if (named.value().dim() == 1) {
      named.value().fill_(1);
    } else {
      const bool ends_branch = name.ends_with("attention.out.weight") || name.ends_with("ffn.down.weight");
      named.value().normal_(0, ends_branch ? residual : kInitialDeviation);
    }
  }
}

torch::Tensor TokenTensor(const std::vector<TokenId>& tokens, torch::IntArrayRef shape, const torch::Device& device) {
  const auto narrow = torch::from_blob(const_cast<TokenId*>(tokens.data()), shape, torch::kInt32);
  return narrow.to(device, torch::kInt64);
}

}  // namespace

TrainableModel::TrainableModel(DecoderConfig config, DecoderModule decoder)
    : config_(std::move(config)), decoder_(std::move(decoder)) {
  for (auto& weight : decoder_->parameters()) weight.set_requires_grad(true);
}

TrainableModel TrainableModel::New(const DecoderConfig& config) {
  DecoderSource source;
  source.config = config;
  const bool rotary = config.position == PositionKind::kRotary;
  DecoderModule decoder(config, rotary ? RopeFrequencies(source) : std::vector<float>{});
  Initialize(decoder, config.num_layers);
  return TrainableModel(config, std::move(decoder));
}

TrainableModel TrainableModel::Load(const DecoderSource& source) {
  DecoderConfig config = source.config;
  config.tied_embeddings = source.names.output.empty();
  return TrainableModel(config, LoadDecoderModule(source));
}

void TrainableModel::To(const torch::Device& device) { decoder_->to(device); }

torch::Tensor TrainableModel::Hidden(const TrainingBatch& batch, bool) {
  return decoder_->Hidden(TokenTensor(batch.tokens, {batch.num_sequences, batch.seq_len}, device()));
}

const torch::Tensor& TrainableModel::OutputWeight() const {
  return decoder_->output ? decoder_->output->weight : decoder_->token_embedding->weight;
}

std::vector<TrainableModel::Weight> TrainableModel::Weights() const {
  std::vector<Weight> weights;
  for (const auto& named : decoder_->named_parameters()) {
    Weight& weight = weights.emplace_back(Weight{named.key(), named.value()});
    weight.is_embedding = weight.name.find("embedding") != std::string::npos || weight.name == "output.weight";
  }
  return weights;
}

void TrainableModel::Save(const std::filesystem::path& folder) const { SaveDecoder(folder, config_, decoder_); }

}  // namespace retro
