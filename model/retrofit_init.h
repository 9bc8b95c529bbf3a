// What the weights that a RETROfit adds to a decoder begin as.
#pragma once

namespace retro {

enum class RetrofitInit {
  kBase,    // copies of the base's own (model/torch/retro_module_weights.h says which of what)
  kRandom,  // as in a new model
};

}  // namespace retro
