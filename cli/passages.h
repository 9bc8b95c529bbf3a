// Passages for people and for programs.
#pragma once

#include <nlohmann/json.hpp>

#include "retriever/retrieval_database.h"

namespace retro::cli {

nlohmann::json PassageToJson(const Passage& passage);

// "[1] Title (document id, token 64, score 0.712)" and the text below it, on stdout.
void PrintPassage(size_t number, const Passage& passage);

// "Title (document id, token 64)"
std::string SourceLine(const Passage& passage);

}  // namespace retro::cli
