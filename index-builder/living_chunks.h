// All that searches may find in a database, in order.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>

#include "retriever/parted_chunks.h"

namespace retro {

// Visits every chunk that is not removed, by ascending id, with its document. Shows progress. Throws
// Error(kUnavailable) when interrupted, and as the store does.
void ForEachLivingChunk(const PartedChunks& chunks,
                        const std::function<void(const ChunkRecord& chunk, const DocumentInfo& document)>& visit);

// {"sources": {name: {"documents", "chunks", "tokens"}}, "short_chunks": those of fewer than chunk_len tokens}, by
// reading all chunks. Documents without a chunk are left out.
nlohmann::json SurveyContents(const PartedChunks& chunks);

}  // namespace retro
