// The decoder as a LibTorch module, with gradients: what training trains, and the check of the processor's engine.
// Included only by model/torch/ and training code, since it shows LibTorch's headers.
// Shapes: B sequences, T tokens, H heads, K key-value heads, D head_dim, C = hidden_dim.
#pragma once

#include <functional>
#include <vector>

#include "model/model_files.h"
#include "model/torch/precompiled.h"
#include "model/torch/projection.h"
#include "model/torch/recompute.h"

namespace retro {

// LayerNorm with bias, or RMSNorm without.
class NormImpl : public torch::nn::Module {
 public:
  explicit NormImpl(const DecoderConfig& config);
  torch::Tensor forward(const torch::Tensor& x);

  torch::Tensor weight, bias;

 private:
  NormKind kind_;
  float eps_;
};
TORCH_MODULE(Norm);

// Several examples in each row of a batch, which do not see one another.
struct PackedExamples {
  torch::Tensor positions;    // [B, T] int64: of each token in its example
  std::vector<int64_t> lens;  // of the examples, row after row; none goes over a row's end: the sum is B T
};

// cos and sin of every position's angles, [T, D / 2], or [B T, D / 2] where rows are packed; undefined where positions
// are learned.
struct RotaryAngles {
  torch::Tensor cosines, sines;
};

class SelfAttentionImpl : public torch::nn::Module {
 public:
  explicit SelfAttentionImpl(const DecoderConfig& config);
  // Causal, [B, T, C] -> [B, T, C]; with `lens` each of these examples for itself.
  torch::Tensor forward(const torch::Tensor& x, const RotaryAngles& angles, const std::vector<int64_t>& lens = {});
  // Every token sees every other one where `mask`, [B, 1, 1, T] bool or undefined, is true.
  torch::Tensor Bidirectional(const torch::Tensor& x, const RotaryAngles& angles, const torch::Tensor& mask);

  Projection q{nullptr}, k{nullptr}, v{nullptr}, out{nullptr};

 private:
  // Queries, keys and values, [B, H, T, D], to what is mixed of the values.
  using Mix = std::function<torch::Tensor(const torch::Tensor&, const torch::Tensor&, const torch::Tensor&)>;
  torch::Tensor Attend(const torch::Tensor& x, const RotaryAngles& angles, const Mix& mix);

  int64_t num_heads_, num_kv_heads_, head_dim_;
};
TORCH_MODULE(SelfAttention);

class FeedForwardImpl : public torch::nn::Module {
 public:
  explicit FeedForwardImpl(const DecoderConfig& config);
  torch::Tensor forward(const torch::Tensor& x);

  Projection gate{nullptr}, up{nullptr}, down{nullptr};  // gate: SwiGLU only

 private:
  FeedForwardKind kind_;
};
TORCH_MODULE(FeedForward);

class DecoderLayerImpl : public torch::nn::Module {
 public:
  explicit DecoderLayerImpl(const DecoderConfig& config);
  torch::Tensor forward(const torch::Tensor& x, const RotaryAngles& angles, const std::vector<int64_t>& lens = {});
  // Its two halves, each with the residual: chunked cross-attention comes between them.
  torch::Tensor Attend(const torch::Tensor& x, const RotaryAngles& angles, const std::vector<int64_t>& lens = {});
  torch::Tensor FeedForwardStep(const torch::Tensor& x);

  Norm attention_norm{nullptr}, ffn_norm{nullptr};
  SelfAttention attention{nullptr};
  FeedForward ffn{nullptr};
  double dropout = 0;  // of what either branch adds, while training
};
TORCH_MODULE(DecoderLayer);

class DecoderModuleImpl : public torch::nn::Module {
 public:
  // `rope_frequencies`: radians a position, [D / 2]; empty with learned positions. RoPE turns a head's two halves.
  DecoderModuleImpl(const DecoderConfig& config, std::vector<float> rope_frequencies);

  // tokens: [B, T] int64 on the module's device; logits: [B, T, vocab_size]. Shorter sequences are padded at their
  // end with any token: attention is causal. REQUIRES: T <= config.context_len
  torch::Tensor forward(const torch::Tensor& tokens);
  // The same before the output matrix, after the final norm: [B, T, C]. `packed`: each example by itself.
  torch::Tensor Hidden(const torch::Tensor& tokens, const PackedExamples& packed = {});
  torch::Tensor Logits(const torch::Tensor& hidden);  // [B, T, C] -> [B, T, vocab_size]
  // The first layer's input. `positions`: [B, T], or undefined where they count from each row's start.
  torch::Tensor Embed(const torch::Tensor& tokens, const torch::Tensor& positions = {});
  RotaryAngles Angles(const torch::Tensor& tokens, const torch::Tensor& positions = {}) const;
  // A part of the network from x on; with SetRecompute it runs again in the backward pass, so it holds what it needs.
  torch::Tensor Step(const Block& block, const torch::Tensor& x) const;
  // Share of the embeddings and of what each branch adds that is dropped while training.
  void SetDropout(double share);
  // Keeps only each layer's input for the backward pass and computes the rest again (recompute.h).
  void SetRecompute(bool recompute) { recompute_ = recompute; }

  torch::nn::Embedding token_embedding{nullptr}, position_embedding{nullptr};  // positions: learned ones only
  std::vector<DecoderLayer> layers;
  Norm final_norm{nullptr};
  torch::nn::Linear output{nullptr};  // null: tied to the token embedding

 private:
  DecoderConfig config_;
  double dropout_ = 0;
  bool recompute_ = false;
  torch::Tensor rope_frequencies_;  // a buffer that no checkpoint needs
};
TORCH_MODULE(DecoderModule);

// The weights of a file in fp32, on the processor, with the updates of the source's adapter merged into them. Throws
// Error naming file and tensor.
DecoderModule LoadDecoderModule(const DecoderSource& source);
// The same into a module of that file's shape.
void LoadDecoderWeights(const DecoderSource& source, DecoderModule& module);
// The configuration and the turns that such a module is made with.
DecoderConfig ModuleConfig(const DecoderSource& source);
std::vector<float> ModuleRopeFrequencies(const DecoderSource& source);

// A tensor of a file in fp32. Throws Error(kCorruption) when it is missing or has another shape.
torch::Tensor LoadTensor(const TensorSource& tensors, const std::string& name, torch::IntArrayRef shape);

// "cpu", "cuda" or "cuda:1". Throws Error(kInvalidArgument, kUnavailable) saying what this LibTorch has.
torch::Device ParseDevice(const std::string& device);

}  // namespace retro
