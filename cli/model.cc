// retro model info: what a model file or folder holds.
#include <iostream>

#include "cli/command.h"
#include "cli/open.h"

namespace retro::cli {
namespace {

nlohmann::json Describe(const std::string& path, const Decoder& decoder, const Tokenizer& tokenizer) {
  const DecoderConfig& config = decoder.config();
  return {
      {"path", path},
      {"family", config.family},
      {"parameters", decoder.num_parameters()},
      {"weight_bytes", decoder.weight_bytes()},
      {"layers", config.num_layers},
      {"hidden_dim", config.hidden_dim},
      {"heads", config.num_heads},
      {"kv_heads", config.num_kv_heads},
      {"head_dim", config.head_dim},
      {"ffn_dim", config.ffn_dim},
      {"context_len", config.context_len},
      {"vocab_size", config.vocab_size},
      {"tied_embeddings", config.tied_embeddings},
      {"tokenizer",
       {{"kind", tokenizer.kind()}, {"vocab_size", tokenizer.vocab_size()}, {"fingerprint", tokenizer.fingerprint()}}}};
}

void Info(const std::string& path, const GlobalOptions& globals) {
  ThreadPool pool(globals.num_threads);
  const LanguageModel model = OpenLanguageModel(path, false, pool);
  const nlohmann::json info = Describe(path, *model.decoder, *model.tokenizer);
  if (globals.json) return PrintJson(info);
  const DecoderConfig& config = model.decoder->config();
  std::cout << fmt::format(
      "{}: {} decoder, {:.1f} M parameters, {} of weights in memory\n"
      "layers {}, width {}, heads {} ({} for keys and values) of {}, feed-forward {}, context {}, vocabulary {}\n"
      "tokenizer: {}, {} tokens, fingerprint {}\n",
      path, config.family, model.decoder->num_parameters() / 1e6, HumanBytes(model.decoder->weight_bytes()),
      config.num_layers, config.hidden_dim, config.num_heads, config.num_kv_heads, config.head_dim, config.ffn_dim,
      config.context_len, config.vocab_size, model.tokenizer->kind(), model.tokenizer->vocab_size(),
      model.tokenizer->fingerprint());
}

}  // namespace

void AddModel(CLI::App& app, const GlobalOptions& globals) {
  auto* model = app.add_subcommand("model", "Look at models")->require_subcommand(1);
  auto* info = model->add_subcommand("info", "What a model file or folder holds");
  auto path = std::make_shared<std::string>();
  info->add_option("path,--model", *path, "A folder in Hugging Face layout or a .gguf file")
      ->required()
      ->envname("RETRO_MODEL");
  info->callback([path, &globals] { Info(*path, globals); });
}

}  // namespace retro::cli
