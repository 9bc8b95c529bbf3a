// Training steps on random tokens, as one JSON line: tokens a second of the median step, share of the machine's peak
// and the process's peak memory. train_benchmark --config A|A3|B|retrofit [--gpt] [--init-from MODEL] [--batch 4]
// [--steps 5] [--threads 0] [--recompute] A, A3 and B: the peers' sizes (peers.py train). retrofit: --init-from with
// chunked cross-attention in three layers, the base frozen.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/communicator.h"
#include "core/error.h"
#include "model/torch/precompiled.h"
#include "training/flops.h"
#include "training/torch/trainer.h"

namespace retro {
namespace {

constexpr int64_t kVocabSize = 32'000;

struct Options {
  std::string config = "A", init_from;
  bool gpt = false, recompute = false;
  int64_t batch = 4, steps = 5, seq_len = 512;
  int threads = 0;
};

TrainConfig Sizes(int64_t width, int64_t layers, int64_t encoder_width, std::vector<int64_t> cca_layers) {
  TrainConfig config;
  config.model.family = "gpt2";
  config.model.num_layers = layers;
  config.model.hidden_dim = width;
  config.model.num_heads = width / 64;
  config.model.retro_options.cca_layers = std::move(cca_layers);
  config.model.retro_options.encoder_dim = encoder_width;
  config.model.retro_options.encoder_heads = encoder_width / 64;
  return config;
}

TrainConfig SizesOf(const std::string& name) {
  if (name == "A") return Sizes(384, 8, 256, {5});
  if (name == "A3") return Sizes(384, 8, 256, {2, 5});
  if (name == "B") return Sizes(256, 6, 192, {5});
  if (name == "retrofit") return Sizes(576, 30, 0, {10, 16, 22});
  Throw(ErrorCode::kInvalidArgument, "--config is \"{}\", must be A, A3, B or retrofit", name);
}

TrainConfig MakeConfig(const Options& options) {
  TrainConfig config = SizesOf(options.config);
  config.model.init_from = options.init_from;
  config.model.retro = !options.gpt;
  config.data.seq_len = static_cast<uint32_t>(options.seq_len);
  config.data.batch_size = options.batch;
  config.data.recompute = options.recompute;
  config.steps = 1'000;
  if (options.config == "retrofit") {
    config.optimizer.freeze = Frozen::kBase;
    config.model.retro_options.gated = true;
    config.model.retro_options.encoder_heads = 9;
  }
  return config;
}

TrainableModel MakeModel(const TrainConfig& config) {
  torch::manual_seed(1);
  if (config.model.init_from.empty()) return TrainableModel::New(NewDecoderConfig(config, kVocabSize));
  const DecoderSource source = OpenDecoder(config.model.init_from);
  return TrainableModel::Retrofit(source, NewRetroConfig(config.model.retro_options, source.config),
                                  config.model.retrofit_init);
}

// Every chunk with all of its neighbours in full length: the most work that a batch can be.
class RandomBatches final : public BatchSource {
 public:
  RandomBatches(const DecoderConfig& model, const DataOptions& data) {
    const auto sequences = static_cast<size_t>(data.batch_size);
    batch_.num_sequences = data.batch_size;
    batch_.seq_len = data.seq_len;
    batch_.tokens = Tokens(model.vocab_size, sequences * data.seq_len);
    batch_.targets = Tokens(model.vocab_size, sequences * data.seq_len);
    if (!model.retro) return;
    batch_.num_chunks = data.seq_len / model.retro->chunk_len;
    batch_.num_neighbours = model.retro->num_neighbours;
    batch_.neighbour_len = model.retro->neighbour_len;
    const size_t neighbours = sequences * static_cast<size_t>(batch_.num_chunks * batch_.num_neighbours);
    batch_.neighbour_tokens = Tokens(model.vocab_size, neighbours * static_cast<size_t>(batch_.neighbour_len));
    batch_.neighbour_lengths.assign(neighbours, static_cast<uint32_t>(batch_.neighbour_len));
  }

  TrainingBatch Next() override { return batch_; }
  nlohmann::json Position() const override { return nullptr; }
  void Resume(const nlohmann::json&) override {}

 private:
  std::vector<TokenId> Tokens(int64_t vocab_size, size_t count) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = static_cast<TokenId>(1 + random_() % static_cast<uint64_t>(vocab_size - 1));
    return tokens;
  }

  std::mt19937_64 random_{1};
  TrainingBatch batch_;
};

// VmHWM of /proc/self/status.
double PeakMemoryMib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

nlohmann::json Run(const Options& options) {
  if (options.threads > 0) at::set_num_threads(options.threads);
  const TrainConfig config = MakeConfig(options);
  TrainableModel model = MakeModel(config);
  const DecoderConfig decoder = model.config();
  SingleProcess alone;
  Trainer trainer(config, std::move(model), std::vector<uint32_t>(static_cast<size_t>(decoder.vocab_size), 4), alone);
  RandomBatches batches(decoder, config.data);
  std::vector<double> seconds;
  constexpr int64_t kWarmUp = 2;  // steps that allocate
  for (int64_t step = 0; step < options.steps + kWarmUp; ++step) {
    const auto start = std::chrono::steady_clock::now();
    trainer.Step(step, batches);
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (step >= kWarmUp) seconds.push_back(elapsed);
  }
  std::ranges::sort(seconds);
  const double rate = static_cast<double>(options.batch * options.seq_len) / seconds[seconds.size() / 2];
  int64_t parameters = 0;
  for (const auto& weight : trainer.model().Weights()) parameters += weight.value.numel();
  return {{"bench", "train"},
          {"config", options.config},
          {"retrieval", decoder.retro.has_value()},
          {"threads", at::get_num_threads()},
          {"parameters_m", static_cast<double>(parameters) / 1e6},
          {"mflop_per_token", TrainingFlops(decoder, options.seq_len, decoder.retro.has_value(),
                                            config.optimizer.freeze == Frozen::kBase) /
                                  1e6},
          {"tokens_per_s", rate},
          {"share_of_peak", trainer.PeakShare(rate)},
          {"peak_rss_mib", PeakMemoryMib()}};
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  CLI::App app("Training steps");
  retro::Options options;
  app.add_option("--config", options.config, "A, A3, B or retrofit")->required();
  app.add_flag("--gpt", options.gpt, "the decoder alone");
  app.add_option("--init-from", options.init_from, "the base of --config retrofit");
  app.add_option("--batch", options.batch, "sequences of a step")->check(CLI::PositiveNumber);
  app.add_option("--steps", options.steps)->check(CLI::PositiveNumber);
  app.add_option("--seq-len", options.seq_len)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads, "0: LibTorch's choice");
  app.add_flag("--recompute", options.recompute, "activations again in the backward pass");
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << retro::Run(options).dump() << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "train_benchmark: " << error.what() << "\n";
    return 1;
  }
}
