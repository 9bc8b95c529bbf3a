// The floating-point operations that training needs, for the share of the machine's peak.
#pragma once

#include <cstdint>

#include "model/decoder_config.h"

namespace retro {

// Of forward and backward, a token of a sequence of `seq_len`; a multiplication and an addition are two. Counted are
// the matrix products that the model needs: 2 a weight and token forward; backward 2 for the gradient of the
// activations where one flows and 2 for that of the weights where they learn; attention's two products over the keys
// that each query may see (half of the sequence on average). Not counted: norms, softmax, the optimizer, anything
// computed twice. `neighbours`: with chunked cross-attention over all k neighbours. `frozen_base`: only what
// config.retro describes learns.
double TrainingFlops(const DecoderConfig& config, int64_t seq_len, bool neighbours, bool frozen_base);

// The same where only a low-rank adapter of `adapter_weights` weights learns. Not counted: the output matrix, which
// runs for the tokens with a target only, and chunked cross-attention.
double LoraTrainingFlops(const DecoderConfig& config, int64_t seq_len, int64_t adapter_weights);

}  // namespace retro
