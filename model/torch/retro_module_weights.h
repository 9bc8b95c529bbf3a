// The weights of a RETRO module: from a file, from a base model, or new.
#pragma once

#include "model/retrofit_init.h"
#include "model/torch/retro_module.h"
#include "model/torch/save_decoder.h"

namespace retro {

// Every weight beside the base decoder's, with its name in model.safetensors ("retro.cca.5.gate").
NamedTensors RetroTensors(const RetroModule& module);

// REQUIRES: source.config.retro. Throws Error naming file and tensor.
RetroModule LoadRetroModule(const DecoderSource& source);

// Writes config.json and model.safetensors of the whole model that `source` names, its chunked cross-attention
// included, into an existing folder. Throws Error naming file and tensor, and kIo.
void CopyModel(const DecoderSource& source, const std::filesystem::path& folder, DataType type = DataType::kF32);

// The start of training from scratch: normal(0, 0.02), the matrices that end a branch by 1 / sqrt(2 layers) less,
// biases 0, norms 1. Draws from LibTorch's generator.
void InitializeWeights(DecoderModule& module);
void InitializeWeights(RetroModule& module);

// The start of a RETROfit: the base's own weights, and new ones. With kBase these are made from the base's. Each
// chunked cross-attention begins as its layer's self-attention, the encoder as the base's embedding and first layers
// (its attention to the decoder's activations too); distances count for nothing at first, and gates are closed. Without
// gates, the matrices that end the new branches of the decoder are zero instead. The encoder must have the decoder's
// widths. Its last norm begins as that of the first layer with chunked cross-attention. With kRandom they are drawn as
// InitializeWeights does, for an encoder of any width; where there are no gates those matrices are zero here, too.
// Either way the module begins as the base, bit for bit, unless gates begin at a `gate` (before the tanh) other than 0.
// Throws Error(kInvalidArgument) saying which width differs.
RetroModule RetrofitModule(const DecoderSource& base, const RetroConfig& retro, RetrofitInit init = RetrofitInit::kBase,
                           double gate = 0);

}  // namespace retro
