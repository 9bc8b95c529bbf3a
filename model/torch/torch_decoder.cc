#include "model/torch/torch_decoder.h"

#include <algorithm>

#include "core/error.h"
#include "model/torch/decoder_module.h"
#include "model/torch/padded_batch.h"

namespace retro {

struct TorchDecoder::State {
  DecoderConfig config;
  torch::Device device;
  DecoderModule module{nullptr};
};

TorchDecoder::TorchDecoder(const DecoderSource& source, const std::string& device)
    : state_(std::make_unique<State>(State{source.config, ParseDevice(device)})) {
  state_->module = LoadDecoderModule(source);
  state_->module->eval();
  TranslateTorchErrors([&] { state_->module->to(state_->device); });
}

TorchDecoder::~TorchDecoder() = default;
TorchDecoder::TorchDecoder(TorchDecoder&&) noexcept = default;
TorchDecoder& TorchDecoder::operator=(TorchDecoder&&) noexcept = default;

const DecoderConfig& TorchDecoder::config() const { return state_->config; }

std::vector<float> TorchDecoder::Logits(std::span<const std::span<const TokenId>> sequences) const {
  if (sequences.empty()) return {};
  const DecoderConfig& config = state_->config;
  CheckSequences(sequences, config.vocab_size, config.context_len);
  std::vector<float> all;
  TranslateTorchErrors([&] {
    torch::InferenceMode inference;
    const auto logits = state_->module(PadAtEnd(sequences).to(state_->device)).cpu();
    for (size_t i = 0; i < sequences.size(); ++i) {
      const auto rows = logits[i].slice(0, 0, sequences[i].size()).contiguous();
      all.insert(all.end(), rows.const_data_ptr<float>(), rows.const_data_ptr<float>() + rows.numel());
    }
  });
  return all;
}

}  // namespace retro
