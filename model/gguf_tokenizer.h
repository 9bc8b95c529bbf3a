// The tokenizer inside a GGUF file.
#pragma once

#include "datasets/byte_level_bpe.h"
#include "model/gguf.h"

namespace retro {

// Byte-level BPE. Throws Error(kInvalidArgument) when the file has another kind of tokenizer, Error(kCorruption).
ByteLevelBpeModel ReadGgufTokenizer(const GgufFile& file);

}  // namespace retro
