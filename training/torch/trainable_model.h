// A decoder and its chunked cross-attention as what training trains: activations out of batches, weights by name, and
// the model's files.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/decoder_config.h"
#include "model/model_files.h"
#include "model/retrofit_init.h"
#include "model/torch/lora.h"
#include "model/torch/retro_module.h"
#include "training/batch.h"

namespace retro {

// One thread at a time.
class TrainableModel {
 public:
  // New weights, drawn from torch's generator: seed it before.
  static TrainableModel New(const DecoderConfig& config);
  // The weights of a file, its chunked cross-attention included. Throws Error naming file and tensor.
  static TrainableModel Load(const DecoderSource& source);
  // The weights of a file that has no chunked cross-attention, and new ones beside them (RetrofitModule).
  static TrainableModel Retrofit(const DecoderSource& base, const RetroConfig& retro, RetrofitInit init,
                                 double gate = 0);

  const DecoderConfig& config() const { return config_; }
  void To(const torch::Device& device);
  void SetTraining(bool training) { root().train(training); }
  void SetDropout(double share) { decoder_->SetDropout(share); }
  void SetRecompute(bool recompute) { decoder_->SetRecompute(recompute); }
  // The base's weights no longer learn. REQUIRES: config().retro
  void FreezeBase();
  // All weights are frozen and an adapter learns beside them: a new one, drawn from torch's generator, or with
  // `start` the values of a folder. Throws as LoraWeights. To be called once, before To().
  void AddLora(const LoraConfig& lora, const std::filesystem::path& start = {});
  bool has_lora() const { return lora_.has_value(); }
  int64_t num_learned() const;  // weights that learn

  // Activations after the final norm, [B, T, C]. `neighbours` false: those of the batch are left unused.
  torch::Tensor Hidden(const TrainingBatch& batch, bool neighbours);
  // [V, C]
  const torch::Tensor& OutputWeight() const;
  torch::Device device() const { return OutputWeight().device(); }

  struct Weight {
    std::string name;  // unique and stable
    torch::Tensor value;
    bool is_new = false;        // of the chunked cross-attention or its encoder
    bool is_embedding = false;  // tokens or positions
  };
  std::vector<Weight> Weights() const;

  // config.json and model.safetensors in Hugging Face layout, fp32; of a model with an adapter the adapter alone, in
  // PEFT's layout. Throws Error(kIo).
  void Save(const std::filesystem::path& folder) const;

 private:
  TrainableModel(DecoderConfig config, DecoderModule decoder);
  TrainableModel(DecoderConfig config, RetroModule retro);

  const torch::nn::Module& root() const;
  torch::nn::Module& root();
  NeighbourBatch Neighbours(const TrainingBatch& batch) const;

  DecoderConfig config_;
  DecoderModule decoder_;
  RetroModule retro_{nullptr};  // around decoder_, where the model has it
  std::optional<LoraWeights> lora_;
};

}  // namespace retro
