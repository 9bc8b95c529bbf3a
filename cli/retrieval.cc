#include "cli/retrieval.h"

#include <map>

#include "cli/passages.h"

namespace retro::cli {

void AddRetrievalOptions(CLI::App& command, std::optional<RetrievalMode>& mode, int64_t& retrieval_step,
                         const std::string& default_mode) {
  const std::map<std::string, RetrievalMode> modes = {{"off", RetrievalMode::kOff},
                                                      {"prompt", RetrievalMode::kPrompt},
                                                      {"cca", RetrievalMode::kCca},
                                                      {"both", RetrievalMode::kBoth}};
  command
      .add_option_function<std::string>(
          "--retrieval", [&mode, modes](const std::string& name) { mode = modes.at(name); },
          "Where retrieved text goes: prompt, cca (chunked cross-attention of a RETRO model), both (the best passage "
          "into the prompt, the others by cca), off; default: " +
              default_mode)
      ->check(CLI::IsMember(std::vector<std::string>{"off", "prompt", "cca", "both"}));
  command
      .add_option("--retrieval-step", retrieval_step,
                  "With cca: new neighbours after so many generated tokens; 0: the model's chunk length")
      ->capture_default_str();
}

nlohmann::json ChunksToJson(const std::vector<RetrievedChunk>& chunks, size_t sequence) {
  nlohmann::json json = nlohmann::json::array();
  for (const RetrievedChunk& chunk : chunks) {
    if (chunk.sequence != sequence) continue;
    nlohmann::json neighbours = nlohmann::json::array();
    for (const Passage& passage : chunk.neighbours) neighbours.push_back(PassageToJson(passage));
    json.push_back({{"end", chunk.end}, {"neighbours", std::move(neighbours)}});
  }
  return json;
}

}  // namespace retro::cli
