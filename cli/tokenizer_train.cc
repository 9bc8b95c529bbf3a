// retro tokenizer train: a sentencepiece model from documents.
#include <filesystem>
#include <iostream>

#include "cli/command.h"
#include "datasets/document.h"
#include "datasets/sentencepiece_tokenizer.h"
#include "datasets/train_tokenizer.h"

namespace retro::cli {
namespace {

struct TokenizerTrainOptions {
  std::vector<std::string> inputs;
  std::string out, model = "unigram";
  bool nfkc = false;
  SentencePieceTraining training;
};

void Train(TokenizerTrainOptions options, const GlobalOptions& globals) {
  options.training.model =
      options.model == "bpe" ? SentencePieceTraining::Model::kBpe : SentencePieceTraining::Model::kUnigram;
  options.training.lossless = !options.nfkc;
  options.training.num_threads = globals.num_threads == 0 ? AvailableCores() : globals.num_threads;
  const auto documents = OpenDocuments({options.inputs.begin(), options.inputs.end()});
  TrainSentencePiece(*documents, options.training, options.out);
  const auto tokenizer = LoadSentencePiece(options.out);
  if (globals.json) {
    return PrintJson(
        {{"path", options.out}, {"vocab_size", tokenizer->vocab_size()}, {"fingerprint", tokenizer->fingerprint()}});
  }
  std::cout << fmt::format("{}: {} model of {} tokens\n", options.out, options.model, tokenizer->vocab_size());
}

}  // namespace

void AddTokenizerTrain(CLI::App& tokenizer, const GlobalOptions& globals) {
  auto* train = tokenizer.add_subcommand("train", "Train a sentencepiece model on documents");
  auto options = std::make_shared<TokenizerTrainOptions>();
  train->add_option("--input", options->inputs, "JSON lines or text, plain, .gz or .zst; folders of these; - for stdin")
      ->required();
  train->add_option("--out", options->out, "The .model file to write")->required();
  train->add_option("--type", options->model, "unigram or bpe")
      ->check(CLI::IsMember({"unigram", "bpe"}))
      ->capture_default_str();
  train->add_option("--vocab-size", options->training.vocab_size, "Tokens of the vocabulary")->capture_default_str();
  train
      ->add_option("--character-coverage", options->training.character_coverage,
                   "Share of the text's characters with tokens of their own; the rest become bytes")
      ->capture_default_str();
  train->add_option("--max-lines", options->training.max_lines, "Train on so many lines, taken evenly; 0: all")
      ->capture_default_str();
  train->add_option("--control-tokens", options->training.control_tokens, "Special tokens to reserve")->delimiter(',');
  train->add_option("--seed", options->training.seed, "Of the lines taken")->capture_default_str();
  train->add_flag("--nfkc", options->nfkc,
                  "Normalize the text (NFKC, joined spaces): a smaller vocabulary, not lossless");
  train->callback([options, &globals] { Train(*options, globals); });
}

}  // namespace retro::cli
