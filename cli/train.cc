// retro train: corpora and, for RETRO, their neighbour tables → a trained model.
#include "training/train.h"

#include <iostream>
#include <map>

#include "cli/command.h"
#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "model/load_tokenizer.h"
#include "retriever/parted_chunks.h"

namespace retro::cli {
namespace {

constexpr const char* kNone = "-";  // in a list: this corpus has none

// As the command line has them: lists with an entry for each corpus.
struct TrainOptions {
  TrainConfig train;
  std::vector<std::string> corpora, examples, neighbours, valid_neighbours, databases;
  std::vector<double> weights, max_epochs;
};

// Entry i of a list that has one for each corpus, one for all, or none.
template <typename T>
T EntryFor(const std::vector<T>& list, size_t i, size_t num_corpora, const char* option, const T& absent) {
  if (list.empty()) return absent;
  if (list.size() == 1) return list.front();
  if (list.size() == num_corpora) return list[i];
  Throw(ErrorCode::kInvalidArgument, "{} has {} entries for {} corpora; give one for each, in the order of --corpus",
        option, list.size(), num_corpora);
}

std::string PathFor(const std::vector<std::string>& list, size_t i, size_t num_corpora, const char* option) {
  const std::string path = EntryFor<std::string>(list, i, num_corpora, option, kNone);
  return path == kNone ? "" : path;
}

void FillCorpora(TrainOptions& options) {
  const size_t count = options.corpora.size();
  if (count > 1 && options.neighbours.size() == 1 && options.neighbours.front() != kNone) {
    Throw(ErrorCode::kInvalidArgument,
          "--neighbours has 1 entry for {} corpora; a table belongs to one corpus, '-' says none", count);
  }
  for (size_t i = 0; i < count; ++i) {
    CorpusSource& corpus = options.train.data.corpora.emplace_back();
    corpus.folder = options.corpora[i];
    corpus.weight = EntryFor(options.weights, i, count, "--weight", 0.0);
    corpus.max_epochs = EntryFor(options.max_epochs, i, count, "--max-epochs", 0.0);
    corpus.neighbours = PathFor(options.neighbours, i, count, "--neighbours");
    corpus.valid_neighbours = PathFor(options.valid_neighbours, i, count, "--valid-neighbours");
    corpus.database = PathFor(options.databases, i, count, "--db");
  }
}

void FillExamples(TrainOptions& options) {
  const size_t count = options.examples.size();
  for (size_t i = 0; i < count; ++i) {
    options.train.data.examples.push_back({.path = options.examples[i],
                                           .weight = EntryFor(options.weights, i, count, "--weight", 0.0),
                                           .max_epochs = EntryFor(options.max_epochs, i, count, "--max-epochs", 0.0)});
  }
}

nlohmann::json ToJson(const TrainResult& result) {
  nlohmann::json json = {{"step", result.step}, {"checkpoint", result.checkpoint}};
  if (result.validation) json["valid"] = retro::ToJson(*result.validation).at("valid");
  return json;
}

void Run(TrainOptions options, const GlobalOptions& globals) {
  FillCorpora(options);
  FillExamples(options);
  TrainConfig& train = options.train;
  train.Validate();
  const auto tokenizer = LoadTokenizer(train.model.tokenizer.empty() ? train.model.init_from : train.model.tokenizer);
  std::map<std::string, std::unique_ptr<PartedChunks>> stores;
  std::optional<ChatTemplate> chat;
  TrainInputs inputs;
  if (!train.data.examples.empty()) inputs.chat = &chat.emplace(ChatTemplate::Load(train.model.init_from));
  inputs.tokenizer = tokenizer.get();
  inputs.num_threads = globals.num_threads;
  for (const CorpusSource& corpus : train.data.corpora) {
    std::unique_ptr<PartedChunks>& store = stores[corpus.database];
    if (!corpus.database.empty() && store == nullptr) store = OpenChunks(corpus.database, tokenizer->fingerprint());
    inputs.databases.push_back(store.get());
  }
  const auto ranks = ConnectRanks(train.rank_timeout_s);
  inputs.ranks = ranks.get();
  if (ranks->rank() != 0) {  // rank 0 speaks for all
    InitLog("error");
    Progress::SetEnabled(false);
  }
  const TrainResult result = Train(train, inputs);
  if (ranks->rank() != 0) return;
  if (globals.json) return PrintJson(ToJson(result));
  if (result.nothing_to_do) {
    std::cout << fmt::format("{}: finished before, nothing to do; the model is {}\n", train.out, result.checkpoint);
    return;
  }
  std::cout << fmt::format("{}: {} steps; the model is {}\n", train.out, result.step, result.checkpoint);
}

void AddDataOptions(CLI::App& train, TrainOptions& options) {
  DataOptions& data = options.train.data;
  const auto lists = [&train](CLI::Option* option) { return option->group("Data")->delimiter(','); };
  lists(train.add_option("--corpus", options.corpora,
                         "Folders made by retro corpus build --append-eos, with the model's tokenizer"));
  lists(
      train.add_option("--examples", options.examples,
                       "Instead: files of JSON lines to fine-tune on (.gz, .zst too) with \"messages\", \"prompt\" and "
                       "\"response\", or \"instruction\", \"input\" and \"response\"; only replies are learned"));
  lists(train.add_option(
      "--weight", options.weights,
      "For each corpus or file its share of the sequences or examples, relative to the others; default: by size"));
  lists(train.add_option("--max-epochs", options.max_epochs, "For each corpus how often it is read at most; 0: any"));
  lists(train.add_option("--neighbours", options.neighbours,
                         "For each corpus its neighbour table, made by retro neighbours build; - for none"));
  lists(train.add_option("--valid-neighbours", options.valid_neighbours,
                         "The same for the corpora's valid parts (retro neighbours build --part valid)"));
  lists(train.add_option("--db", options.databases, "For each corpus, or for all, the database of the neighbours"));
  const auto plain = [&train](CLI::Option* option) { option->group("Data")->capture_default_str(); };
  plain(train.add_option("--neighbours-warmup", data.neighbours_warmup,
                         "Steps over which neighbours that hold the next chunk itself, to copy from, give way to those "
                         "of the tables"));
  plain(train.add_option("--seq-len", data.seq_len, "Tokens of a sequence"));
  plain(train.add_option("--batch-size", data.batch_size, "Sequences of one forward and backward pass"));
  plain(
      train.add_option("--accumulation", data.accumulation,
                       "Passes of one step (on each rank), for steps of more sequences than fit into memory at once"));
  plain(train.add_flag("--recompute", data.recompute,
                       "Compute activations again in the backward pass instead of keeping them: less memory, slower"));
}

void AddExampleOptions(CLI::App& train, DataOptions& data) {
  static const std::map<std::string, LongExamples> kLong = {{"drop", LongExamples::kDrop}, {"cut", LongExamples::kCut}};
  const auto add = [&train](CLI::Option* option) { return option->group("Data")->capture_default_str(); };
  add(train.add_option("--valid-fraction", data.valid_fraction, "Share of the examples held out, by their hash"));
  add(train.add_option("--long-examples", data.long_examples,
                       "Examples longer than --seq-len: drop them, or cut the end of their last reply"))
      ->transform(CLI::CheckedTransformer(kLong))
      ->default_str("drop");
}

void AddLoraOptions(CLI::App& train, LoraOptions& lora) {
  const auto add = [&train](CLI::Option* option) {
    return option->group("Adapter (LoRA)")->capture_default_str()->delimiter(',');
  };
  add(train.add_option("--lora-rank", lora.rank,
                       "Freeze the model of --init-from and learn an adapter of this rank beside it; 0: none"));
  add(train.add_option("--lora-alpha", lora.alpha, "What the adapter adds counts alpha / rank; 0: twice the rank"));
  add(train.add_option("--lora-dropout", lora.dropout, "Share of the adapter's inputs dropped"));
  add(train.add_option(
      "--lora-targets", lora.targets,
      "Projections: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, or of GPT-2 c_attn, "
      "c_proj, c_fc; default: all"));
  add(train.add_option("--lora-layers", lora.layers, "Layers, from 0; default: all"));
}

void AddModelOptions(CLI::App& train, ModelOptions& model) {
  const auto add = [&train](CLI::Option* option) { return option->group("Model")->capture_default_str(); };
  add(train.add_option("--init-from", model.init_from,
                       "A model to go on from (Hugging Face layout or .gguf); without it a new one is trained"));
  add(train.add_option("--adapter", model.adapter,
                       "A LoRA adapter of that model: merged into it, or with --lora-rank the one to go on with"));
  add(train.add_option("--tokenizer", model.tokenizer,
                       "The tokenizer: a folder, tokenizer.json or .model; default: that of --init-from"));
  add(train.add_option("--family", model.family, "Of a new model: llama or gpt2"));
  add(train.add_option("--layers", model.num_layers, "Layers of a new model"));
  add(train.add_option("--width", model.hidden_dim, "Width of a new model"));
  add(train.add_option("--heads", model.num_heads, "Attention heads of a new model"));
  add(train.add_option("--kv-heads", model.num_kv_heads, "Key-value heads, fewer for grouped queries; 0: --heads"));
  add(train.add_option("--ffn", model.ffn_dim, "Width inside the feed-forward; 0: by family"));
  add(train.add_option("--context", model.context_len, "Longest sequence of a new model; 0: --seq-len"));
  add(train.add_option("--tied", model.tied_embeddings, "Use the token embedding as output matrix, too"));
}

void AddRetroOptions(CLI::App& train, ModelOptions& model) {
  RetroOptions& retro = model.retro_options;
  const auto add = [&train](CLI::Option* option) {
    return option->group("Chunked cross-attention (RETRO)")->capture_default_str();
  };
  add(train.add_flag("--retro", model.retro,
                     "Attend to neighbours: in a new model, or added to the model of --init-from (RETROfit)"));
  add(train.add_option("--chunk-len", retro.chunk_len, "Tokens of a chunk, as in the database"));
  add(train.add_option("--neighbour-len", retro.neighbour_len, "Tokens read of a neighbour; 0: two chunks"));
  add(train.add_option("--k", retro.num_neighbours, "Neighbours of a chunk"));
  add(train.add_option("--cca-layers", retro.cca_layers,
                       "Decoder layers that attend to neighbours, from 0; default: the paper's choice by depth"))
      ->delimiter(',');
  add(train.add_flag("--gated", retro.gated, "Open each such attention by a gate that starts shut"));
  add(train.add_option("--gate-init", retro.gate_init,
                       "What the gates of a RETROfit begin at, before the tanh; 0: as the base"));
  add(train.add_option("--encoder-layers", retro.encoder_layers, "Layers of the neighbours' encoder"));
  add(train.add_option("--encoder-width", retro.encoder_dim, "Its width; 0: the decoder's"));
  add(train.add_option("--encoder-heads", retro.encoder_heads, "Its heads; 0: as wide as the decoder's"));
  add(train.add_flag("--shared-embedding", retro.shared_embedding,
                     "Its tokens are embedded by the decoder's matrix, not by one of its own"));
  add(train.add_flag("--shared-layers", retro.shared_layers,
                     "The encoder is the decoder's own first --encoder-layers layers, causal: no weights of its own"));
  static const std::map<std::string, RetrofitInit> kInits = {{"base", RetrofitInit::kBase},
                                                             {"random", RetrofitInit::kRandom}};
  add(train.add_option("--retrofit-init", model.retrofit_init,
                       "What the weights added to --init-from begin as: base (copies of its own) or random"))
      ->transform(CLI::CheckedTransformer(kInits))
      ->default_str("base");
}

void AddOptimizerOptions(CLI::App& train, OptimizerOptions& optimizer) {
  static const std::map<std::string, Frozen> kFrozen = {{"none", Frozen::kNone}, {"base", Frozen::kBase}};
  const auto add = [&train](CLI::Option* option) { return option->group("Optimizer")->capture_default_str(); };
  add(train.add_option("--lr", optimizer.learning_rate, "Learning rate after the warm-up"));
  add(train.add_option("--min-lr-factor", optimizer.min_learning_rate_factor,
                       "What is left of it at the end of the cosine"));
  add(train.add_option("--new-weights-lr-factor", optimizer.new_weights_factor,
                       "Times the rate for the weights that a RETROfit adds"));
  add(train.add_option("--warmup", optimizer.warmup_steps, "Steps of linear warm-up"));
  add(train.add_option("--beta1", optimizer.beta1, "AdamW: memory of the mean"));
  add(train.add_option("--beta2", optimizer.beta2, "AdamW: memory of the square"));
  add(train.add_option("--eps", optimizer.epsilon, "AdamW: added to the root"));
  add(train.add_option("--weight-decay", optimizer.weight_decay, "Of matrices; never of norms, biases and gates"));
  add(train.add_flag("--decay-embeddings", optimizer.decay_embeddings, "Of the embeddings, too"));
  add(train.add_option("--clip", optimizer.clip_norm, "Largest norm of the gradient; 0: any"));
  add(train.add_option("--dropout", optimizer.dropout, "Share of activations dropped"));
  add(train.add_option("--freeze", optimizer.freeze,
                       "base: only what --retro adds to the model of --init-from learns; none: all learns"))
      ->transform(CLI::CheckedTransformer(kFrozen))
      ->default_str("none");
}

void AddRanksOptions(CLI::App& train, TrainConfig& config) {
  const auto add = [&train](CLI::Option* option) {
    option->group("Data parallel: mpirun -n RANKS retro train ... (or srun)")->capture_default_str();
  };
  add(train.add_flag("--zero", config.shard_optimizer,
                     "Share the optimizer's states among the ranks (ZeRO stage 1): less memory, the same numbers"));
  add(train.add_option("--rank-timeout", config.rank_timeout_s,
                       "Seconds that a rank waits for the others before it ends all; more than writing a checkpoint "
                       "takes"));
}

void AddRunOptions(CLI::App& train, TrainConfig& config) {
  static const std::map<std::string, Precision> kPrecisions = {
      {"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"auto", Precision::kAuto}};
  static const std::map<std::string, BadStep> kBadSteps = {{"stop", BadStep::kStop}, {"skip", BadStep::kSkip}};
  const auto add = [&train](CLI::Option* option) { return option->group("Run")->capture_default_str(); };
  add(train.add_option("--out", config.out, "Folder of checkpoints, metrics and options; there, a run goes on"))
      ->required();
  add(train.add_option("--steps", config.steps, "Updates of the weights"))->required();
  add(train.add_option("--seed", config.seed, "Of new weights, order and dropout"));
  add(train.add_option("--device", config.device, "cpu, cuda (with several ranks one GPU for each), or cuda:N"));
  add(train.add_option("--precision", config.precision,
                       "Of matrix products: fp32, bf16 (where the hardware has it), or auto (bf16 where it has it)"))
      ->transform(CLI::CheckedTransformer(kPrecisions))
      ->default_str("fp32");
  add(train.add_option("--on-bad-step", config.on_bad_step, "At NaN or a spike of the loss: stop, or skip the update"))
      ->transform(CLI::CheckedTransformer(kBadSteps))
      ->default_str("stop");
  add(train.add_option("--spike-factor", config.spike_factor,
                       "A loss above this times its running mean is a spike; 0: never"));
  add(train.add_option("--log-every", config.log_every, "Steps between two lines; metrics.jsonl has every step"));
  add(train.add_option("--valid-every", config.valid_every, "Steps between two validations; 0: only at the end"));
  add(train.add_option("--valid-sequences", config.valid_sequences,
                       "Sequences of each corpus' valid part, spread evenly; 0: no validation"));
  add(train.add_option("--save-every", config.save_every, "Steps between two checkpoints"));
  add(train.add_option("--keep-last", config.keep_last, "Checkpoints to keep"));
  add(train.add_flag("--keep-best", config.keep_best, "Keep the one with the best validation, too"));
}

}  // namespace

void AddTrain(CLI::App& app, const GlobalOptions& globals) {
  auto* train = app.add_subcommand(
      "train",
      "Train a decoder: a new one, or go on with one, with or without retrieval; or fine-tune one on examples.\n"
      "  1. retro tokenizer train     a vocabulary, unless you go on with a model that has one\n"
      "  2. retro corpus build        documents to tokens (with --append-eos --valid-fraction 0.02)\n"
      "  3. for RETRO: retro index build on the corpus, then retro neighbours build\n"
      "  4. retro train --config FILE (section [train]), or all by flags as in examples/retro_vs_gpt.sh\n"
      "Interrupted or killed, the same command goes on where the last checkpoint was.\n"
      "As several processes: mpirun -n 4 retro train ...; 4 ranks train as one with 4 times the --accumulation.");
  auto options = std::make_shared<TrainOptions>();
  AddDataOptions(*train, *options);
  AddExampleOptions(*train, options->train.data);
  AddModelOptions(*train, options->train.model);
  AddRetroOptions(*train, options->train.model);
  AddOptimizerOptions(*train, options->train.optimizer);
  AddLoraOptions(*train, options->train.lora);
  AddRunOptions(*train, options->train);
  AddRanksOptions(*train, options->train);
  train->callback([options, &globals] { Run(*options, globals); });
}

}  // namespace retro::cli
