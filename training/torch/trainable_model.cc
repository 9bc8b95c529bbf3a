#include "training/torch/trainable_model.h"

#include "core/error.h"
#include "model/rope_frequencies.h"
#include "model/torch/retro_module_weights.h"
#include "model/torch/save_decoder.h"

namespace retro {
namespace {

torch::Tensor TokenTensor(const std::vector<TokenId>& tokens, torch::IntArrayRef shape, const torch::Device& device) {
  const auto narrow = torch::from_blob(const_cast<TokenId*>(tokens.data()), shape, torch::kInt32);
  return narrow.to(device, torch::kInt64);
}

PackedExamples Packed(const TrainingBatch& batch, const torch::Device& device) {
  if (batch.example_lens.empty()) return {};
  std::vector<int64_t> positions;
  positions.reserve(batch.tokens.size());
  for (const int64_t len : batch.example_lens) {
    for (int64_t i = 0; i < len; ++i) positions.push_back(i);
  }
  return {torch::tensor(positions, torch::kInt64).view({batch.num_sequences, batch.seq_len}).to(device),
          batch.example_lens};
}

std::vector<float> NewRopeFrequencies(const DecoderConfig& config) {
  if (config.position != PositionKind::kRotary) return {};
  return RopeFrequencies(config, config.head_dim);
}

}  // namespace

TrainableModel::TrainableModel(DecoderConfig config, DecoderModule decoder)
    : config_(std::move(config)), decoder_(std::move(decoder)) {}

TrainableModel::TrainableModel(DecoderConfig config, RetroModule retro)
    : config_(std::move(config)), decoder_(retro->decoder), retro_(std::move(retro)) {}

const torch::nn::Module& TrainableModel::root() const {
  if (retro_) return *retro_;
  return *decoder_;
}
torch::nn::Module& TrainableModel::root() {
  if (retro_) return *retro_;
  return *decoder_;
}

TrainableModel TrainableModel::New(const DecoderConfig& config) {
  if (config.retro) {
    RetroModule retro(config, NewRopeFrequencies(config));
    InitializeWeights(retro);
    return TrainableModel(config, std::move(retro));
  }
  DecoderModule decoder(config, NewRopeFrequencies(config));
  InitializeWeights(decoder);
  return TrainableModel(config, std::move(decoder));
}

TrainableModel TrainableModel::Load(const DecoderSource& source) {
  if (source.config.retro) return TrainableModel(ModuleConfig(source), LoadRetroModule(source));
  return TrainableModel(ModuleConfig(source), LoadDecoderModule(source));
}

TrainableModel TrainableModel::Retrofit(const DecoderSource& base, const RetroConfig& retro, RetrofitInit init,
                                        double gate) {
  DecoderConfig config = ModuleConfig(base);
  config.retro = retro;
  return TrainableModel(std::move(config), RetrofitModule(base, retro, init, gate));
}

void TrainableModel::To(const torch::Device& device) { root().to(device); }

void TrainableModel::FreezeBase() {
  for (auto& weight : decoder_->parameters()) weight.set_requires_grad(false);
}

void TrainableModel::AddLora(const LoraConfig& lora, const std::filesystem::path& start) {
  for (auto& weight : root().parameters()) weight.set_requires_grad(false);
  lora_.emplace(lora, config_, decoder_);
  if (!start.empty()) lora_->Load(start);
}

int64_t TrainableModel::num_learned() const {
  int64_t sum = 0;
  for (const auto& weight : root().parameters()) sum += weight.requires_grad() ? weight.numel() : 0;
  return sum;
}

// Lengths become a mask; nothing is masked where every neighbour is whole.
NeighbourBatch TrainableModel::Neighbours(const TrainingBatch& batch) const {
  const int64_t shape[] = {batch.num_sequences, batch.num_chunks, batch.num_neighbours, batch.neighbour_len};
  NeighbourBatch neighbours{TokenTensor(batch.neighbour_tokens, shape, device()), {}};
  bool all_whole = true;
  for (const uint32_t length : batch.neighbour_lengths) all_whole = all_whole && length == batch.neighbour_len;
  if (all_whole) return neighbours;
  const auto lengths =
      torch::from_blob(const_cast<uint32_t*>(batch.neighbour_lengths.data()),
                       {batch.num_sequences, batch.num_chunks, batch.num_neighbours, 1}, torch::kInt32);
  neighbours.present = (torch::arange(batch.neighbour_len, torch::kInt32) < lengths).to(device());
  return neighbours;
}

torch::Tensor TrainableModel::Hidden(const TrainingBatch& batch, bool neighbours) {
  const auto tokens = TokenTensor(batch.tokens, {batch.num_sequences, batch.seq_len}, device());
  if (!retro_ || !neighbours || batch.num_chunks == 0) return decoder_->Hidden(tokens, Packed(batch, device()));
  const NeighbourBatch found = Neighbours(batch);
  return retro_->Hidden(tokens, &found);
}

const torch::Tensor& TrainableModel::OutputWeight() const {
  return decoder_->output ? decoder_->output->weight : decoder_->token_embedding->weight;
}

std::vector<TrainableModel::Weight> TrainableModel::Weights() const {
  std::vector<Weight> weights;
  for (const auto& named : root().named_parameters()) {
    Weight& weight = weights.emplace_back(Weight{named.key(), named.value()});
    weight.is_new = retro_ && !weight.name.starts_with("decoder.");
    weight.is_embedding = weight.name.find("_embedding") != std::string::npos || weight.name.ends_with("output.weight");
  }
  return weights;
}

void TrainableModel::Save(const std::filesystem::path& folder) const {
  if (lora_) return lora_->Save(folder);
  SaveDecoder(folder, config_, decoder_, retro_ ? RetroTensors(retro_) : NamedTensors{});
}

}  // namespace retro
