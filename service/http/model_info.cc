#include "service/http/model_info.h"

#include "service/http/request_error.h"

namespace retro {

nlohmann::json ModelInfo(const ServedModel& model) {
  const DecoderConfig& config = model.engine->decoder().config();
  const auto database = model.database();
  nlohmann::json modes = nlohmann::json::array({"off"});
  if (database) modes.push_back("prompt");
  if (database && config.retro) modes.insert(modes.end(), {"cca", "both"});
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "retro"},
          {"max_model_len", config.context_len},
          {"retrieval",
           {{"modes", std::move(modes)},
            {"documents", database ? database->chunks().num_documents() : 0},
            {"chunks", database ? database->chunks().num_chunks() : 0},
            {"writable", false}}}};
}

void CheckModelName(const std::string& name, const ServedModel& model) {
  if (name.empty() || name == model.id) return;
  throw RequestError(404, fmt::format("the model \"{}\" is not here; \"{}\" is", name, model.id));
}

}  // namespace retro
