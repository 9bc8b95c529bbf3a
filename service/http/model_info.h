// What clients are told of the model, and whether a request means it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "service/http/server.h"

namespace retro {

// OpenAI's model object, with the context's length and what retrieval can do.
nlohmann::json ModelInfo(const ServedModel& model);

// Throws RequestError(404) when a request names a model that is not here. Empty: the one that is.
void CheckModelName(const std::string& name, const ServedModel& model);

}  // namespace retro
