// An audit of a retrieval database, and what there is to say about one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/tokenizer.h"
#include "retriever/embedder.h"

namespace retro {

class ThreadPool;

struct VerifyOptions {
  uint64_t sample_chunks = 64;  // embedded again and compared with what is stored
  uint64_t seed = 0;
};

// {"ok": bool, "checks": [{"name", "ok", "detail"}, ...]}: the manifest, the checksum of every file, the counts of
// chunks, vectors and embeddings against each other, every chunk against its neighbours and its document, the sample,
// and the corpus beside it where there is one. What is damaged is not opened: later checks are then left out. Throws
// Error(kNotFound) when there is no manifest, kUnavailable when interrupted.
nlohmann::json VerifyIndex(const std::filesystem::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                           const VerifyOptions& options, ThreadPool& pool);

// {"documents", "chunks", "tokens", "bytes": {"chunks", "embeddings", "vectors.index", "total"}, "index", "options",
// "fingerprints", "seconds"} from the manifest alone. Throws Error(kNotFound, kCorruption).
nlohmann::json IndexStats(const std::filesystem::path& folder);

}  // namespace retro
