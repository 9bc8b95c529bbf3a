#include "training/train_config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "core/error.h"

namespace retro {
namespace {

using nlohmann::json;

void RequireAtLeast(std::string_view option, int64_t value, int64_t least) {
  if (value < least) Throw(ErrorCode::kInvalidArgument, "{} is {}, must be at least {}", option, value, least);
}

void RequireWithin(std::string_view option, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    Throw(ErrorCode::kInvalidArgument, "{} is {}, must be from {} to {}", option, value, low, high);
  }
}

void RequirePositive(std::string_view option, double value) {
  if (!(value > 0) || !std::isfinite(value)) {
    Throw(ErrorCode::kInvalidArgument, "{} is {}, must be above 0", option, value);
  }
}

void ValidateModel(const ModelOptions& model, Frozen freeze) {
  if (model.init_from.empty() && model.tokenizer.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--tokenizer is missing: a new model needs one (or give --init-from MODEL)");
  }
  if (freeze == Frozen::kBase && model.init_from.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--freeze base needs --init-from MODEL: a new model has nothing to keep");
  }
  if (model.family != "llama" && model.family != "gpt2") {
    Throw(ErrorCode::kInvalidArgument, "--family is \"{}\", must be llama or gpt2", model.family);
  }
  for (const auto& [option, value] :
       {std::pair{"--layers", model.num_layers}, {"--width", model.hidden_dim}, {"--heads", model.num_heads}}) {
    RequireAtLeast(option, value, 1);
  }
  for (const auto& [option, value] :
       {std::pair{"--kv-heads", model.num_kv_heads}, {"--ffn", model.ffn_dim}, {"--context", model.context_len}}) {
    RequireAtLeast(option, value, 0);
  }
}

void ValidateRetro(const ModelOptions& model, uint32_t seq_len) {
  const RetroOptions& retro = model.retro_options;
  RequireAtLeast("--chunk-len", retro.chunk_len, 1);
  RequireAtLeast("--neighbour-len", retro.neighbour_len, 0);
  RequireAtLeast("--k", retro.num_neighbours, 1);
  RequireAtLeast("--encoder-layers", retro.encoder_layers, 1);
  RequireAtLeast("--encoder-width", retro.encoder_dim, 0);
  RequireAtLeast("--encoder-heads", retro.encoder_heads, 0);
  if (retro.gate_init != 0 && !retro.gated) {
    Throw(ErrorCode::kInvalidArgument, "--gate-init {} is without --gated", retro.gate_init);
  }
  if (model.retro && seq_len % retro.chunk_len != 0) {
    Throw(ErrorCode::kInvalidArgument, "--seq-len {} is not a multiple of --chunk-len {}", seq_len, retro.chunk_len);
  }
}

void ValidateCorpus(const CorpusSource& corpus) {
  if (!(corpus.weight >= 0) || !std::isfinite(corpus.weight)) {
    Throw(ErrorCode::kInvalidArgument, "--weight of {} is {}, must not be below 0", corpus.folder, corpus.weight);
  }
  if (!(corpus.max_epochs >= 0)) {
    Throw(ErrorCode::kInvalidArgument, "--max-epochs of {} is {}, must not be below 0", corpus.folder,
          corpus.max_epochs);
  }
  if ((!corpus.neighbours.empty() || !corpus.valid_neighbours.empty()) && corpus.database.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--db is missing for {}: the neighbours' tokens are read from it",
          corpus.folder);
  }
}

// --weight above 0 for all, or left out for all.
template <typename Source>
void RequireAllWeightsOrNone(const std::vector<Source>& sources) {
  const auto weighted = std::ranges::count_if(sources, [](const Source& source) { return source.weight > 0; });
  if (weighted != 0 && weighted != std::ssize(sources)) {
    Throw(ErrorCode::kInvalidArgument, "--weight must be above 0 for every corpus, or be left out for all");
  }
}

void ValidateExamples(const TrainConfig& config) {
  const DataOptions& data = config.data;
  if (!data.corpora.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--corpus and --examples together: a run trains on text or on examples");
  }
  if (config.model.init_from.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--examples needs --init-from MODEL: its chat template writes them");
  }
  if (config.optimizer.freeze == Frozen::kBase) {
    Throw(ErrorCode::kInvalidArgument,
          "--freeze base: examples have no neighbours, so nothing would learn; give --lora-rank instead");
  }
  RequireWithin("--valid-fraction", data.valid_fraction, 0, 0.9);
  for (const ExampleSource& source : data.examples) {
    RequireWithin("--weight of " + source.path, source.weight, 0, 1e30);
    RequireWithin("--max-epochs of " + source.path, source.max_epochs, 0, 1e30);
  }
  RequireAllWeightsOrNone(data.examples);
}

void ValidateLora(const TrainConfig& config) {
  const LoraOptions& lora = config.lora;
  RequireAtLeast("--lora-rank", lora.rank, 0);
  if (!config.model.adapter.empty() && config.model.init_from.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--adapter needs --init-from MODEL: its base");
  }
  if (!lora.on()) {
    if (lora.alpha != 0 || lora.dropout != 0 || !lora.targets.empty() || !lora.layers.empty()) {
      Throw(ErrorCode::kInvalidArgument,
            "--lora-alpha, --lora-dropout, --lora-targets and --lora-layers need "
            "--lora-rank");
    }
    return;
  }
  if (config.model.init_from.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--lora-rank needs --init-from MODEL: an adapter learns beside a trained model");
  }
  if (config.optimizer.freeze == Frozen::kBase) {
    Throw(ErrorCode::kInvalidArgument, "--freeze base: with --lora-rank all but the adapter is frozen; leave it out");
  }
  RequireWithin("--lora-alpha", lora.alpha, 0, 1e6);
  RequireWithin("--lora-dropout", lora.dropout, 0, 0.95);
}

void ValidateData(const TrainConfig& config) {
  const DataOptions& data = config.data;
  if (!data.examples.empty()) ValidateExamples(config);
  if (data.corpora.empty() && data.examples.empty()) {
    Throw(ErrorCode::kInvalidArgument,
          "--corpus is missing: name at least one corpus folder, or files with --examples");
  }
  RequireAtLeast("--seq-len", data.seq_len, 2);
  RequireAtLeast("--batch-size", data.batch_size, 1);
  RequireAtLeast("--accumulation", data.accumulation, 1);
  RequireAtLeast("--neighbours-warmup", data.neighbours_warmup, 0);
  for (const CorpusSource& corpus : data.corpora) ValidateCorpus(corpus);
  RequireAllWeightsOrNone(data.corpora);
}

void ValidateOptimizer(const OptimizerOptions& optimizer) {
  RequirePositive("--lr", optimizer.learning_rate);
  RequireWithin("--min-lr-factor", optimizer.min_learning_rate_factor, 0, 1);
  RequirePositive("--new-weights-lr-factor", optimizer.new_weights_factor);
  RequireAtLeast("--warmup", optimizer.warmup_steps, 0);
  RequireWithin("--beta1", optimizer.beta1, 0, 0.999999);
  RequireWithin("--beta2", optimizer.beta2, 0, 0.999999999);
  RequirePositive("--eps", optimizer.epsilon);
  RequireWithin("--weight-decay", optimizer.weight_decay, 0, 1e6);
  RequireWithin("--clip", optimizer.clip_norm, 0, 1e30);
  RequireWithin("--dropout", optimizer.dropout, 0, 0.95);
}

std::string_view Name(Precision precision) {
  return precision == Precision::kFp32 ? "fp32" : precision == Precision::kBf16 ? "bf16" : "auto";
}

json CorporaJson(const std::vector<CorpusSource>& corpora) {
  json list = json::array();
  for (const CorpusSource& corpus : corpora) {
    list.push_back({{"corpus", corpus.folder},
                    {"weight", corpus.weight},
                    {"max-epochs", corpus.max_epochs},
                    {"neighbours", corpus.neighbours},
                    {"valid-neighbours", corpus.valid_neighbours},
                    {"db", corpus.database}});
  }
  return list;
}

json ExamplesJson(const std::vector<ExampleSource>& examples) {
  json list = json::array();
  for (const ExampleSource& source : examples) {
    list.push_back({{"examples", source.path}, {"weight", source.weight}, {"max-epochs", source.max_epochs}});
  }
  return list;
}

json LoraJson(const LoraOptions& lora) {
  return {{"lora-rank", lora.rank},
          {"lora-alpha", lora.alpha},
          {"lora-dropout", lora.dropout},
          {"lora-targets", lora.targets},
          {"lora-layers", lora.layers}};
}

json ModelJson(const ModelOptions& model) {
  const RetroOptions& retro = model.retro_options;
  return {{"init-from", model.init_from},
          {"adapter", model.adapter},
          {"tokenizer", model.tokenizer},
          {"family", model.family},
          {"layers", model.num_layers},
          {"width", model.hidden_dim},
          {"heads", model.num_heads},
          {"kv-heads", model.num_kv_heads},
          {"ffn", model.ffn_dim},
          {"context", model.context_len},
          {"tied", model.tied_embeddings},
          {"retro", model.retro},
          {"chunk-len", retro.chunk_len},
          {"neighbour-len", retro.neighbour_len},
          {"k", retro.num_neighbours},
          {"cca-layers", retro.cca_layers},
          {"gated", retro.gated},
          {"encoder-layers", retro.encoder_layers},
          {"encoder-width", retro.encoder_dim},
          {"encoder-heads", retro.encoder_heads},
          {"shared-embedding", retro.shared_embedding},
          {"shared-layers", retro.shared_layers},
          {"gate-init", retro.gate_init},
          {"retrofit-init", model.retrofit_init == RetrofitInit::kBase ? "base" : "random"}};
}

json OptimizerJson(const OptimizerOptions& optimizer) {
  return {{"lr", optimizer.learning_rate},
          {"min-lr-factor", optimizer.min_learning_rate_factor},
          {"new-weights-lr-factor", optimizer.new_weights_factor},
          {"warmup", optimizer.warmup_steps},
          {"beta1", optimizer.beta1},
          {"beta2", optimizer.beta2},
          {"eps", optimizer.epsilon},
          {"weight-decay", optimizer.weight_decay},
          {"decay-embeddings", optimizer.decay_embeddings},
          {"clip", optimizer.clip_norm},
          {"dropout", optimizer.dropout},
          {"freeze", optimizer.freeze == Frozen::kBase ? "base" : "none"}};
}

// 8/3 of the width gives SwiGLU's three matrices the size of the other kinds' two.
int64_t DefaultFfnDim(int64_t hidden_dim, FeedForwardKind kind) {
  return kind == FeedForwardKind::kSwiGlu ? (hidden_dim * 8 / 3 + 63) / 64 * 64 : 4 * hidden_dim;
}

void SetFamily(DecoderConfig& config, const std::string& family) {
  config.family = family;
  if (family == "llama") return;
  config.norm = NormKind::kLayerNorm;
  config.position = PositionKind::kLearned;
  config.ffn = FeedForwardKind::kGeluTanh;
  config.attention_bias = config.ffn_bias = true;
}

}  // namespace

void TrainConfig::Validate() const {
  if (out.empty()) Throw(ErrorCode::kInvalidArgument, "--out is missing: the folder for checkpoints and logs");
  ValidateModel(model, optimizer.freeze);
  ValidateData(*this);
  ValidateRetro(model, data.seq_len);
  ValidateOptimizer(optimizer);
  ValidateLora(*this);
  RequireAtLeast("--steps", steps, 1);
  RequireAtLeast("--log-every", log_every, 1);
  RequireAtLeast("--valid-every", valid_every, 0);
  RequireAtLeast("--valid-sequences", valid_sequences, 0);
  RequireAtLeast("--save-every", save_every, 1);
  RequireAtLeast("--keep-last", keep_last, 1);
  RequireWithin("--rank-timeout", rank_timeout_s, 1, 1e6);
  if (spike_factor != 0) RequireWithin("--spike-factor", spike_factor, 1, 1e30);
  if (keep_best && valid_sequences == 0) {
    Throw(ErrorCode::kInvalidArgument, "--keep-best needs validation: --valid-sequences is 0");
  }
}

json ToJson(const TrainConfig& config) {
  json all = ModelJson(config.model);
  all.update(OptimizerJson(config.optimizer));
  all.update(LoraJson(config.lora));
  all.update({{"corpora", CorporaJson(config.data.corpora)},
              {"examples", ExamplesJson(config.data.examples)},
              {"valid-fraction", config.data.valid_fraction},
              {"long-examples", config.data.long_examples == LongExamples::kCut ? "cut" : "drop"},
              {"seq-len", config.data.seq_len},
              {"batch-size", config.data.batch_size},
              {"accumulation", config.PassesPerStep()},
              {"neighbours-warmup", config.data.neighbours_warmup},
              {"recompute", config.data.recompute},
              {"out", config.out},
              {"steps", config.steps},
              {"seed", config.seed},
              {"device", config.device},
              {"precision", Name(config.precision)},
              {"on-bad-step", config.on_bad_step == BadStep::kStop ? "stop" : "skip"},
              {"spike-factor", config.spike_factor},
              {"log-every", config.log_every},
              {"valid-every", config.valid_every},
              {"valid-sequences", config.valid_sequences},
              {"save-every", config.save_every},
              {"keep-last", config.keep_last},
              {"keep-best", config.keep_best},
              {"zero", config.shard_optimizer}});
  return all;
}

std::vector<std::string> DifferingOptions(const json& saved, const json& now) {
  static const std::set<std::string> kFree = {"out",       "log-every", "valid-every", "valid-sequences", "save-every",
                                              "keep-last", "keep-best", "on-bad-step", "spike-factor",    "zero"};
  // What an older version did not ask for, it did as is the default now.
  static const json kDefaults = ToJson(TrainConfig());
  std::vector<std::string> differing;
  for (const auto& [option, value] : now.items()) {
    const json before = saved.value(option, kDefaults.value(option, json()));
    if (!kFree.contains(option) && before != value) {
      differing.push_back(fmt::format("{} {}, was {}", option, value.dump(), before.dump()));
    }
  }
  return differing;
}

LoraConfig NewLoraConfig(const TrainConfig& config) {
  const LoraOptions& lora = config.lora;
  LoraConfig adapter;
  adapter.rank = lora.rank;
  adapter.alpha = lora.alpha > 0 ? lora.alpha : 2 * static_cast<double>(lora.rank);
  adapter.dropout = lora.dropout;
  adapter.targets = lora.targets;
  adapter.layers = lora.layers;
  adapter.base = config.model.init_from;
  return adapter;
}

DecoderConfig NewDecoderConfig(const TrainConfig& config, int64_t vocab_size) {
  const ModelOptions& model = config.model;
  DecoderConfig decoder;
  SetFamily(decoder, model.family);
  decoder.vocab_size = vocab_size;
  decoder.hidden_dim = model.hidden_dim;
  decoder.num_layers = model.num_layers;
  decoder.num_heads = model.num_heads;
  decoder.num_kv_heads = model.num_kv_heads == 0 ? model.num_heads : model.num_kv_heads;
  decoder.head_dim = model.hidden_dim / model.num_heads;
  decoder.ffn_dim = model.ffn_dim == 0 ? DefaultFfnDim(model.hidden_dim, decoder.ffn) : model.ffn_dim;
  decoder.context_len = model.context_len == 0 ? config.data.seq_len : model.context_len;
  decoder.tied_embeddings = model.tied_embeddings;
  if (model.hidden_dim % model.num_heads != 0) {
    Throw(ErrorCode::kInvalidArgument, "--width {} is not a multiple of --heads {}", model.hidden_dim, model.num_heads);
  }
  if (model.family == "gpt2" && decoder.num_kv_heads != decoder.num_heads) {
    Throw(ErrorCode::kInvalidArgument, "--kv-heads {}: the family gpt2 has as many as --heads", model.num_kv_heads);
  }
  if (model.retro) decoder.retro = NewRetroConfig(model.retro_options, decoder);
  const std::string problem = decoder.Validate();
  if (!problem.empty()) Throw(ErrorCode::kInvalidArgument, "the model's sizes cannot be: {}", problem);
  return decoder;
}

RetroConfig NewRetroConfig(const RetroOptions& options, const DecoderConfig& decoder) {
  RetroConfig retro;
  retro.chunk_len = options.chunk_len;
  retro.neighbour_len = options.neighbour_len == 0 ? 2 * options.chunk_len : options.neighbour_len;
  retro.num_neighbours = options.num_neighbours;
  retro.cca_layers = options.cca_layers.empty() ? DefaultCcaLayers(decoder.num_layers) : options.cca_layers;
  retro.gated = options.gated;
  NeighbourEncoderConfig& encoder = retro.encoder;
  encoder.num_layers = options.encoder_layers;
  encoder.shared_embedding = options.shared_embedding || options.shared_layers;
  encoder.shared_layers = options.shared_layers;
  if (options.shared_layers) encoder.cross_layers.clear();
  encoder.hidden_dim = options.encoder_dim == 0 ? decoder.hidden_dim : options.encoder_dim;
  encoder.num_heads =
      options.encoder_heads == 0 ? std::max<int64_t>(1, encoder.hidden_dim / decoder.head_dim) : options.encoder_heads;
  encoder.num_kv_heads = encoder.num_heads;
  // As the base where it has the base's width, so that a retrofit can start from its first layers.
  if (encoder.hidden_dim == decoder.hidden_dim && encoder.num_heads == decoder.num_heads) {
    encoder.num_kv_heads = decoder.num_kv_heads;
  }
  if (encoder.hidden_dim % encoder.num_heads != 0) {
    Throw(ErrorCode::kInvalidArgument, "--encoder-width {} is not a multiple of --encoder-heads {}", encoder.hidden_dim,
          encoder.num_heads);
  }
  encoder.head_dim = encoder.hidden_dim / encoder.num_heads;
  encoder.ffn_dim =
      encoder.hidden_dim == decoder.hidden_dim ? decoder.ffn_dim : DefaultFfnDim(encoder.hidden_dim, decoder.ffn);
  const std::string problem = retro.Validate(decoder.num_layers, decoder.hidden_dim);
  if (!problem.empty()) Throw(ErrorCode::kInvalidArgument, "the RETRO options cannot be: {}", problem);
  return retro;
}

}  // namespace retro
