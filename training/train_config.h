// Everything that a training run is told: one plain struct, filled by `retro train`, checked as a whole, saved beside
// what it made, and compared when a run is resumed.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "model/decoder_config.h"
#include "model/lora_adapter.h"
#include "model/retrofit_init.h"
#include "training/chat_examples.h"

namespace retro {

// The chunked cross-attention that a new model, or a retrofitted one, gets. Zero and empty: by the decoder.
struct RetroOptions {
  int64_t chunk_len = 64;
  int64_t neighbour_len = 0;        // 0: two chunks
  int64_t num_neighbours = 2;       // k
  std::vector<int64_t> cca_layers;  // empty: the paper's choice by depth
  bool gated = false;
  int64_t encoder_layers = 2;
  int64_t encoder_dim = 0;        // 0: the decoder's width
  int64_t encoder_heads = 0;      // 0: heads as wide as the decoder's
  bool shared_embedding = false;  // the encoder reads by the decoder's token embedding
  bool shared_layers = false;     // the encoder is the decoder's own first layers
  double gate_init = 0;           // of a RETROfit's gates, before the tanh
};

struct ModelOptions {
  std::string init_from;  // a model to go on from; empty: a new one of the sizes below
  std::string adapter;    // of init_from: merged into it, or, with LoRA, the adapter to go on with
  std::string tokenizer;  // folder or file; empty: that of init_from
  std::string family = "llama";
  int64_t num_layers = 6;
  int64_t hidden_dim = 256;
  int64_t num_heads = 4;
  int64_t num_kv_heads = 0;  // 0: num_heads
  int64_t ffn_dim = 0;       // 0: 4 times the width, or 8/3 of it (to a multiple of 64) with SwiGLU
  int64_t context_len = 0;   // 0: the training sequence's
  bool tied_embeddings = true;
  bool retro = false;  // with chunked cross-attention; a model that has it keeps it
  RetroOptions retro_options;
  RetrofitInit retrofit_init = RetrofitInit::kBase;
};

// One corpus of the mixture.
struct CorpusSource {
  std::string folder = {};
  double weight = 0;                  // share of the sequences, relative to the others; 0: by its size
  double max_epochs = 0;              // not more often than this; 0: no bound
  std::string neighbours = {};        // neighbour table of its "train" part; empty: trained without neighbours
  std::string valid_neighbours = {};  // and of its "valid" part
  std::string database = {};          // the retrieval database that the tables point into
};

// One file of examples to fine-tune on (chat_examples.h).
struct ExampleSource {
  std::string path = {};
  double weight = 0;      // share of the examples, relative to the others; 0: by their number
  double max_epochs = 0;  // 0: no bound
};

// What is trained on: corpora (next token), or examples (the tokens of their replies).
struct DataOptions {
  std::vector<CorpusSource> corpora;
  std::vector<ExampleSource> examples;
  double valid_fraction = 0.02;  // of the examples, held out
  LongExamples long_examples = LongExamples::kDrop;
  uint32_t seq_len = 512;
  int64_t batch_size = 8;         // sequences of one forward and backward pass
  int64_t accumulation = 1;       // passes of one step, on each rank
  int64_t neighbours_warmup = 0;  // steps over which copies of the next chunk give way to the table's neighbours
  bool recompute = false;         // activations again in the backward pass, instead of keeping them
};

enum class Frozen { kNone, kBase };

// A low-rank adapter that learns beside a frozen model.
struct LoraOptions {
  int64_t rank = 0;                  // 0: no adapter
  double alpha = 0;                  // the update counts alpha / rank; 0: twice the rank
  double dropout = 0;                // of what goes into it
  std::vector<std::string> targets;  // projections; empty: all
  std::vector<int64_t> layers;       // empty: all

  bool on() const { return rank > 0; }
};

struct OptimizerOptions {
  double learning_rate = 3e-4;
  double min_learning_rate_factor = 0.1;  // at the end of the cosine
  double new_weights_factor = 1;          // times the rate, for weights that a retrofit adds
  int64_t warmup_steps = 100;
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.1;
  bool decay_embeddings = false;
  double clip_norm = 1;  // 0: no clipping
  double dropout = 0;
  Frozen freeze = Frozen::kNone;
};

enum class BadStep { kStop, kSkip };
enum class Precision { kFp32, kBf16, kAuto };

struct TrainConfig {
  ModelOptions model;
  DataOptions data;
  OptimizerOptions optimizer;
  LoraOptions lora;

  std::string out;
  int64_t steps = 0;
  uint64_t seed = 0;
  std::string device = "cpu";
  Precision precision = Precision::kFp32;
  BadStep on_bad_step = BadStep::kStop;
  double spike_factor = 0;  // a step whose loss is above this times the running mean is bad; 0: only NaN and infinity

  int64_t log_every = 10;
  int64_t valid_every = 0;       // 0: only at the end
  int64_t valid_sequences = 64;  // of each corpus' "valid" part, spread evenly; 0: no validation
  int64_t save_every = 500;
  int64_t keep_last = 2;
  bool keep_best = false;

  int num_ranks = 1;             // processes that share each step; set by the run
  bool shard_optimizer = false;  // ZeRO stage 1
  double rank_timeout_s = 300;

  // Throws Error(kInvalidArgument) naming the option that cannot be meant so.
  void Validate() const;

  int64_t PassesPerStep() const { return data.accumulation * num_ranks; }  // over all ranks
  int64_t SequencesPerStep() const { return data.batch_size * PassesPerStep(); }
  int64_t TokensPerStep() const { return SequencesPerStep() * data.seq_len; }
};

// All of it, by the names of the options; the accumulation is that over all ranks, since a step is the same however it
// is shared among them.
nlohmann::json ToJson(const TrainConfig& config);

// The options of a saved run that differ and on which its numbers depend, as "seed 1, was 0"; those that say only how
// often to log and save are left out.
std::vector<std::string> DifferingOptions(const nlohmann::json& saved, const nlohmann::json& now);

// The adapter that the options describe. REQUIRES: config.lora.on()
LoraConfig NewLoraConfig(const TrainConfig& config);
// The decoder that the options describe, for a vocabulary of this size. Throws Error(kInvalidArgument) when its sizes
// are impossible.
DecoderConfig NewDecoderConfig(const TrainConfig& config, int64_t vocab_size);
// The chunked cross-attention for this decoder. Throws as above.
RetroConfig NewRetroConfig(const RetroOptions& options, const DecoderConfig& decoder);

}  // namespace retro
