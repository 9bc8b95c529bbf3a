// Passages as the API shows them.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "retriever/neighbour_retriever.h"
#include "retriever/retrieval_database.h"

namespace retro {

nlohmann::json PassageJson(const Passage& passage);
nlohmann::json PassagesJson(std::span<const Passage> passages);

// `text`: the piece of output that these neighbours fed; empty while it is not known.
nlohmann::json ChunkJson(size_t index, const RetrievedChunk& chunk, const std::string& text);

}  // namespace retro
