// Prefill and greedy decoding of one model, as one JSON line: medians over repetitions.
// decoder_benchmark --model PATH [--prompt-tokens 512] [--new-tokens 128] [--batch 1] [--reps 3] [--threads 0]
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "core/thread_pool.h"
#include "model/decoder.h"
#include "model/kernels/matmul.h"

namespace retro {
namespace {

struct Options {
  std::string model;
  int prompt_tokens = 512, new_tokens = 128, batch = 1, reps = 3, threads = 0;
  bool int8 = false;
};

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// `batch` prompts of random tokens, the same at every run.
std::vector<std::vector<TokenId>> RandomPrompts(const Options& options, int64_t vocab_size) {
  std::mt19937 random(1);
  std::uniform_int_distribution<TokenId> token(0, static_cast<TokenId>(vocab_size - 1));
  std::vector<std::vector<TokenId>> prompts(options.batch, std::vector<TokenId>(options.prompt_tokens));
  for (auto& prompt : prompts) std::ranges::generate(prompt, [&] { return token(random); });
  return prompts;
}

struct Times {
  double prefill = 0, decode = 0;
};

Times RunOnce(const Decoder& decoder, const Options& options, ThreadPool& pool) {
  const int64_t vocab = decoder.config().vocab_size;
  const auto prompts = RandomPrompts(options, vocab);
  const auto cache = decoder.NewCache(options.batch, options.prompt_tokens + options.new_tokens);
  std::vector<SequenceInput> inputs;
  for (int i = 0; i < options.batch; ++i) inputs.push_back({i, prompts[i]});
  std::vector<TokenId> chosen(options.batch);
  std::vector<float> logits;
  const auto step = [&] {
    decoder.Forward(*cache, inputs, LogitsFor::kLastToken, logits, pool);
    for (int i = 0; i < options.batch; ++i) {
      const auto row = std::span(logits).subspan(i * vocab, vocab);
      chosen[i] = static_cast<TokenId>(std::ranges::max_element(row) - row.begin());
      inputs[i].tokens = {&chosen[i], 1};
    }
  };
  Times times;
  auto start = std::chrono::steady_clock::now();
  step();
  times.prefill = Seconds(start);
  start = std::chrono::steady_clock::now();
  for (int i = 1; i < options.new_tokens; ++i) step();
  times.decode = Seconds(start);
  return times;
}

nlohmann::json Run(const Options& options) {
  ThreadPool pool(options.threads);
  const auto start = std::chrono::steady_clock::now();
  const auto decoder =
      LoadDecoder(options.model, pool, options.int8 ? WeightPrecision::kInt8 : WeightPrecision::kAsStored);
  const double load = Seconds(start);
  RunOnce(*decoder, options, pool);  // warms caches and pages
  std::vector<double> prefill, decode;
  for (int i = 0; i < options.reps; ++i) {
    const Times times = RunOnce(*decoder, options, pool);
    prefill.push_back(options.batch * options.prompt_tokens / times.prefill);
    decode.push_back(options.batch * (options.new_tokens - 1) / times.decode);
  }
  return {{"bench", "decoder"},
          {"kernels", KernelName()},
          {"threads", pool.num_threads()},
          {"parameters", decoder->num_parameters()},
          {"weight_bytes", decoder->weight_bytes()},
          {"load_s", load},
          {"prompt", options.prompt_tokens},
          {"new", options.new_tokens},
          {"batch", options.batch},
          {"prefill_tokens_per_s", Median(prefill)},
          {"decode_tokens_per_s", Median(decode)},
          {"prefill_tokens_per_s_best", std::ranges::max(prefill)},
          {"decode_tokens_per_s_best", std::ranges::max(decode)},
          {"ttft_ms", 1e3 * options.batch * options.prompt_tokens / Median(prefill)}};
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  CLI::App app("Prefill and greedy decoding of one model");
  retro::Options options;
  app.add_option("--model", options.model, "folder in Hugging Face layout, or a .gguf file")->required();
  app.add_option("--prompt-tokens", options.prompt_tokens)->check(CLI::PositiveNumber);
  app.add_option("--new-tokens", options.new_tokens)->check(CLI::Range(2, 1 << 20));
  app.add_option("--batch", options.batch)->check(CLI::PositiveNumber);
  app.add_option("--reps", options.reps)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads, "0: as many as there are cores");
  app.add_flag("--int8", options.int8, "hold 16- and 32-bit weights in 8 bits");
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << retro::Run(options).dump() << std::endl;
  } catch (const retro::Error& error) {
    std::cerr << "decoder_benchmark: " << error.what() << "\n";
    return 1;
  }
}
