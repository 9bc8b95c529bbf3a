// retro tokenizer train|encode|decode.
#include <iostream>

#include "cli/command.h"
#include "core/error.h"
#include "model/load_tokenizer.h"

namespace retro::cli {
namespace {

struct TokenizerOptions {
  std::string tokenizer, text, file;
  bool special = false, add_special = false, skip_special = false;
};

std::string GivenText(const TokenizerOptions& options) {
  if (options.text.empty() == options.file.empty()) {
    Throw(ErrorCode::kInvalidArgument, "give the text as an argument, or a file with --file (- for stdin)");
  }
  return options.file.empty() ? options.text : ReadInput(options.file);
}

void Encode(const TokenizerOptions& options, const GlobalOptions& globals) {
  const auto tokenizer = LoadTokenizer(options.tokenizer);
  const std::vector<TokenId> ids = tokenizer->Encode(
      GivenText(options), EncodeOptions{.parse_special = options.special, .add_special = options.add_special});
  if (globals.json) {
    nlohmann::json spellings = nlohmann::json::array();
    for (const TokenId id : ids) spellings.push_back(tokenizer->Spelling(id));
    return PrintJson({{"ids", ids}, {"tokens", spellings}, {"count", ids.size()}});
  }
  std::cout << fmt::format("{}\n", fmt::join(ids, " "));
}

void Decode(const TokenizerOptions& options, const GlobalOptions& globals) {
  const auto tokenizer = LoadTokenizer(options.tokenizer);
  const std::string text =
      tokenizer->Decode(ParseIds(GivenText(options)), DecodeOptions{.skip_special = options.skip_special});
  if (globals.json) return PrintJson({{"text", text}});
  std::cout << text << '\n';
}

}  // namespace

void AddTokenizerTrain(CLI::App& tokenizer, const GlobalOptions& globals);

void AddTokenizer(CLI::App& app, const GlobalOptions& globals) {
  auto* tokenizer =
      app.add_subcommand("tokenizer", "Train tokenizers; text to token ids and back")->require_subcommand(1);
  AddTokenizerTrain(*tokenizer, globals);
  auto options = std::make_shared<TokenizerOptions>();
  const auto add_common = [&options](CLI::App* command, const char* what) {
    command->add_option("--tokenizer", options->tokenizer, "A model folder, tokenizer.json, .model or .gguf file")
        ->required()
        ->envname("RETRO_MODEL");
    command->add_option("text", options->text, what);
    command->add_option("--file", options->file, "Read it from a file instead; - for stdin");
  };
  auto* encode = tokenizer->add_subcommand("encode", "Text to token ids");
  add_common(encode, "The text");
  encode->add_flag("--parse-special", options->special, "Recognize the text of special tokens");
  encode->add_flag("--add-special", options->add_special, "Add the tokens that the tokenizer's template adds");
  encode->callback([options, &globals] { Encode(*options, globals); });
  auto* decode = tokenizer->add_subcommand("decode", "Token ids to text");
  add_common(decode, "The ids, apart by blanks or commas");
  decode->add_flag("--skip-special", options->skip_special, "Leave special tokens out");
  decode->callback([options, &globals] { Decode(*options, globals); });
}

}  // namespace retro::cli
