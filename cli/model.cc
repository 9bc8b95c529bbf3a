// retro model: what a model file or folder holds; models written in Hugging Face layout; adapters merged.
#include <iostream>
#include <map>

#include "cli/command.h"
#include "cli/open.h"
#include "model/model_files.h"
#include "model/torch/export_model.h"

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

struct ExportCommand {
  std::string model, adapter, out, tokenizer;
  DataType type = DataType::kF32;
};

void Export(const ExportCommand& command, const GlobalOptions& globals) {
  const ExportedModel exported =
      ExportModel(command.model, command.out, {command.type, command.tokenizer, command.adapter});
  if (globals.json) {
    return PrintJson({{"path", command.out},
                      {"parameters", exported.num_parameters},
                      {"weight_bytes", exported.weight_bytes},
                      {"dtype", DataTypeName(command.type)}});
  }
  std::cout << fmt::format("{}: {:.1f} M parameters, {} of weights; transformers loads it as it is\n", command.out,
                           exported.num_parameters / 1e6, HumanBytes(exported.weight_bytes));
}

// The subcommand `name`, which writes a model of `from`.
CLI::App* AddExport(CLI::App& model, const GlobalOptions& globals, const char* name, const char* what,
                    const char* from) {
  static const std::map<std::string, DataType> kTypes = {
      {"f32", DataType::kF32}, {"f16", DataType::kF16}, {"bf16", DataType::kBF16}};
  auto* add = model.add_subcommand(name, what);
  auto command = std::make_shared<ExportCommand>();
  add->add_option("path,--model", command->model, from)->required()->envname("RETRO_MODEL");
  add->add_option("--adapter", command->adapter, "The folder of a LoRA adapter that goes into the weights");
  add->add_option("--out", command->out, "The folder to make; an existing one is left alone")->required();
  add->add_option("--dtype", command->type, "Of the weights: f32, f16 or bf16")
      ->transform(CLI::CheckedTransformer(kTypes))
      ->default_str("f32");
  add->add_option("--tokenizer", command->tokenizer, "A folder, tokenizer.json or .model; default: the model's");
  add->callback([command, &globals] { Export(*command, globals); });
  return add;
}

}  // namespace

void AddModel(CLI::App& app, const GlobalOptions& globals) {
  auto* model = app.add_subcommand("model", "Look at models, write them in Hugging Face layout, merge adapters")
                    ->require_subcommand(1);
  auto* info = model->add_subcommand("info", "What a model file or folder holds");
  auto path = std::make_shared<std::string>();
  info->add_option("path,--model", *path, "A folder in Hugging Face layout or a .gguf file")
      ->required()
      ->envname("RETRO_MODEL");
  info->callback([path, &globals] { Info(*path, globals); });
  AddExport(*model, globals, "merge", "Put a LoRA adapter into the weights of its base: a model of its own",
            "The base: a folder in Hugging Face layout or a .gguf file")
      ->get_option("--adapter")
      ->required();
  AddExport(
      *model, globals, "export",
      "Write a trained model for other programs: config.json, model.safetensors, tokenizer files; or an adapter, as "
      "peft reads it.\n"
      "A RETRO model's own weights and its \"retro\" section are written too; transformers loads the base.",
      "A checkpoint of retro train, a folder in Hugging Face layout, or of a LoRA adapter");
  AddExport(*model, globals, "import",
            "Write a .gguf file as a folder in Hugging Face layout, its weights no longer quantized.",
            "A .gguf file, or the folder of one");
}

}  // namespace retro::cli
