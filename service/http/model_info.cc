#include "service/http/model_info.h"

#include "service/http/request_error.h"

namespace retro {

NamedModel ModelNamed(const std::string& name, const ServedModel& model, bool with_passages) {
  const bool has_adapter = !model.adapter_id.empty();
  const bool wants_adapter = name.empty() ? with_passages : name == model.adapter_id;
  if (has_adapter && wants_adapter) return {.id = model.adapter_id, .adapted = true};
  if (name.empty() || name == model.id) return {.id = model.id};
  throw RequestError(404, "model", "model_not_found",
                     fmt::format("the model \"{}\" is not here; \"{}\"{} is", name, model.id,
                                 has_adapter ? fmt::format(" or \"{}\"", model.adapter_id) : ""));
}

NamedModel ReadModel(const BodyFields& fields, const ServedModel& model, bool with_passages) {
  return ModelNamed(fields.Text("model", ""), model, with_passages);
}

nlohmann::json ModelInfo(const NamedModel& named, const ServedModel& model) {
  const DecoderConfig& config = model.engine->decoder().config();
  const auto database = model.database();
  const nlohmann::json counts = database ? database->manifest().counts : nlohmann::json::object();
  nlohmann::json modes = nlohmann::json::array({"off"});
  if (database) modes.push_back("prompt");
  if (database && config.retro) modes.insert(modes.end(), {"cca", "both"});
  return {{"id", named.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "retro"},
          {"parent", named.adapted ? nlohmann::json(model.id) : nlohmann::json()},
          {"max_model_len", config.context_len},
          {"retrieval",
           {{"modes", std::move(modes)},
            {"documents", counts.value("documents", uint64_t{0})},
            {"chunks", counts.value("chunks", uint64_t{0})},
            {"generation", database ? database->generation() : 0},
            {"writable", model.editor != nullptr}}}};
}

nlohmann::json ModelList(const ServedModel& model) {
  nlohmann::json list = nlohmann::json::array({ModelInfo(ModelNamed(model.id, model), model)});
  if (!model.adapter_id.empty()) list.push_back(ModelInfo(ModelNamed(model.adapter_id, model), model));
  return {{"object", "list"}, {"data", std::move(list)}};
}

}  // namespace retro
