// Tokens of a chunk as a person reads them.
#pragma once

#include <span>
#include <string>

#include "datasets/tokenizer.h"

namespace retro {

// Valid UTF-8, without special tokens and without the parts of characters that the chunk's two ends cut.
std::string PassageText(const Tokenizer& tokenizer, std::span<const TokenId> tokens);

}  // namespace retro
