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

// {"ok": bool, "checks": [{"name", "ok", "detail"}, ...]}: the manifest and the removed documents, and of each part the
// checksum of every file, the counts of chunks, vectors and embeddings against each other, every chunk against its
// neighbours and its document, the sample, the chunks of removed documents, and the corpus beside it where there is
// one. What is damaged is not opened: later checks are then left out. Checks of a database with several parts begin
// with the part's name. Throws Error(kNotFound) when there is no manifest, kUnavailable when interrupted.
nlohmann::json VerifyIndex(const std::filesystem::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                           const VerifyOptions& options, ThreadPool& pool);

// {"documents", "chunks", "tokens" (of what is not removed), "bytes": {"chunks", "embeddings", "vectors.index",
// "total"}, "bytes_per_token", "generation", "parts": [...], "removed", "index" (of the first part), "options",
// "fingerprints", "seconds"} from the manifests alone. Throws Error(kNotFound, kCorruption).
nlohmann::json IndexStats(const std::filesystem::path& folder);

}  // namespace retro
