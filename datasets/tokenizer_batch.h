// Many texts encoded at once on the threads of a pool.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "datasets/tokenizer.h"

namespace retro {

class ThreadPool;

// The ids of every text, in the order of the texts.
std::vector<std::vector<TokenId>> EncodeBatch(const Tokenizer& tokenizer, std::span<const std::string_view> texts,
                                              const EncodeOptions& options, ThreadPool& pool);

}  // namespace retro
