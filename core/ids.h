// Numbers that must not be mixed up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace retro {

// A 64-bit number of one kind only; two kinds do not convert into each other.
template <typename Tag>
struct Id {
  uint64_t value = 0;
  friend auto operator<=>(const Id&, const Id&) = default;
};

// A database chunk, numbered from 0 in the order of the corpus. 32 bits would end at 137 B tokens.
using ChunkId = Id<struct ChunkIdTag>;

// A document, numbered from 0 in the order of the corpus.
using DocumentIndex = Id<struct DocumentIndexTag>;

// An entry of a tokenizer's vocabulary; never negative in valid data.
using TokenId = int32_t;

}  // namespace retro

template <typename Tag>
struct std::hash<retro::Id<Tag>> {
  size_t operator()(const retro::Id<Tag>& id) const noexcept { return std::hash<uint64_t>{}(id.value); }
};
