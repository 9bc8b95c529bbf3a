// The options that say how retrieved text reaches a decoder, and neighbours for programs.
#pragma once

#include <optional>

#include "cli/command.h"
#include "retriever/neighbour_retriever.h"
#include "service/retrieval_mode.h"

namespace retro::cli {

void AddRetrievalOptions(CLI::App& command, std::optional<RetrievalMode>& mode, int64_t& retrieval_step,
                         const std::string& default_mode);

// [{"end": 128, "neighbours": […]}, …]: the chunks of one sequence and what fed them.
nlohmann::json ChunksToJson(const std::vector<RetrievedChunk>& chunks, size_t sequence);

}  // namespace retro::cli
