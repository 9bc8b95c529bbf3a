// How many bytes of text each token stands for: what turns nats a token into bits a byte, which vocabularies share.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/tokenizer.h"

namespace retro {

// One entry for each id. Special tokens stand for no text.
std::vector<uint32_t> TokenBytes(const Tokenizer& tokenizer);

}  // namespace retro
