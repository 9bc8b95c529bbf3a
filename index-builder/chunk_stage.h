// Stage "chunks": the documents of a corpus into the chunk store.
#pragma once

#include <cstdint>
#include <filesystem>

#include "datasets/corpus.h"

namespace retro {

// Appends to the store in `folder` what it lacks of the corpus, in blocks that are durable one by one, and returns the
// number of chunks. Throws Error(kUnavailable) when interrupted, kIo.
uint64_t WriteChunks(const Corpus& corpus, const std::filesystem::path& folder, uint32_t chunk_len,
                     uint32_t vocab_size);

}  // namespace retro
