#include "service/http/model_info.h"

#include "service/http/request_error.h"

namespace retro {

nlohmann::json ModelInfo(const ServedModel& model) {
  const DecoderConfig& config = model.engine->decoder().config();
  const auto database = model.database();
  const nlohmann::json counts = database ? database->manifest().counts : nlohmann::json::object();
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
            {"documents", counts.value("documents", uint64_t{0})},
            {"chunks", counts.value("chunks", uint64_t{0})},
            {"generation", database ? database->generation() : 0},
            {"writable", model.editor != nullptr}}}};
}

void CheckModelName(const std::string& name, const ServedModel& model) {
  if (name.empty() || name == model.id) return;
  throw RequestError(404, fmt::format("the model \"{}\" is not here; \"{}\" is", name, model.id));
}

}  // namespace retro
