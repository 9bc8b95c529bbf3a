// What clients are told of the models, and which of them a request means.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "service/http/body_fields.h"
#include "service/http/server.h"

namespace retro {

// One of the names that a server answers to.
struct NamedModel {
  std::string id;
  bool adapted = false;  // with the adapter
};

// The one that a request names. One that names none gets the adapted one, where there is an adapter, when it is given
// passages (which is what adapters of this service are trained for), and else the base. Throws RequestError(404) on a
// name that is not here.
NamedModel ModelNamed(const std::string& name, const ServedModel& model, bool with_passages = false);
// The same for the field "model".
NamedModel ReadModel(const BodyFields& fields, const ServedModel& model, bool with_passages = false);

// OpenAI's model objects, with the context's length and what retrieval can do. An adapter's has the base as its
// "parent" (as vLLM lists them).
nlohmann::json ModelInfo(const NamedModel& named, const ServedModel& model);
nlohmann::json ModelList(const ServedModel& model);  // the base first

}  // namespace retro
