// Concurrent chats on one model through the service's engine, as one JSON line for each number of them: total tokens a
// second (prompt and answer) and the time to the first token. Prompts are of random tokens; the part that they share,
// if any, is found in the prefix cache.
// engine_benchmark --model PATH --tokenizer PATH [--concurrent 1,4,16] [--prompt-tokens 200] [--new-tokens 64]
// [--shared-tokens 0] [--reps 3] [--threads 0] [--slice 256]
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <latch>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "core/thread_pool.h"
#include "model/kernels/matmul.h"
#include "model/load_tokenizer.h"
#include "service/engine.h"

namespace retro {
namespace {

struct Options {
  std::string model, tokenizer;
  std::vector<int> concurrent = {1, 4, 16};
  int prompt_tokens = 200, new_tokens = 64, shared_tokens = 0, reps = 3, threads = 0, slice = 256;
};

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

double Quantile(std::vector<double> values, double at) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<size_t>(at * static_cast<double>(values.size())))];
}

struct Round {
  double seconds = 0;
  std::vector<double> first_token_ms;
};

// All requests come at once; ends with the last one. `seed`: no two rounds share a prompt but for the shared part.
Round Run(Engine& engine, const Options& options, int concurrent, uint32_t seed) {
  std::mt19937 shared(0), own(seed);
  std::uniform_int_distribution<TokenId> token(0, static_cast<TokenId>(engine.decoder().config().vocab_size - 1));
  std::vector<TokenId> begin(options.shared_tokens);
  std::ranges::generate(begin, [&] { return token(shared); });
  Round round{.first_token_ms = std::vector<double>(concurrent)};
  std::latch ended(concurrent);
  std::vector<std::unique_ptr<EngineTicket>> tickets;
  const auto start = Clock::now();
  for (int i = 0; i < concurrent; ++i) {
    EngineRequest request{.prompt = begin, .max_new_tokens = options.new_tokens};
    while (std::ssize(request.prompt) < options.prompt_tokens) request.prompt.push_back(token(own));
    double& first = round.first_token_ms[i];
    tickets.push_back(engine.Submit(std::move(request), [&ended, &first, start](const EngineEvent& event) {
      if (first == 0) first = 1000 * Seconds(start);
      if (event.finished) ended.count_down();
    }));
  }
  ended.wait();
  round.seconds = Seconds(start);
  return round;
}

void Measure(Engine& engine, const Options& options, int concurrent) {
  std::vector<double> rates, first_token_ms;
  uint32_t seed = 1;
  for (int rep = 0; rep < options.reps; ++rep) {
    const Round round = Run(engine, options, concurrent, seed++);
    rates.push_back(concurrent * (options.prompt_tokens + options.new_tokens) / round.seconds);
    first_token_ms.insert(first_token_ms.end(), round.first_token_ms.begin(), round.first_token_ms.end());
  }
  const nlohmann::json line = {{"bench", "engine"},
                               {"concurrent", concurrent},
                               {"prompt", options.prompt_tokens},
                               {"new", options.new_tokens},
                               {"shared", options.shared_tokens},
                               {"kernels", KernelName()},
                               {"tokens_per_s", Quantile(rates, 0.5)},
                               {"tokens_per_s_best", std::ranges::max(rates)},
                               {"ttft_p50_ms", Quantile(first_token_ms, 0.5)},
                               {"ttft_p95_ms", Quantile(first_token_ms, 0.95)}};
  std::cout << line << std::endl;
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  CLI::App app("Concurrent chats through the service's engine");
  app.add_option("--model", options.model, "folder or .gguf file")->required();
  app.add_option("--tokenizer", options.tokenizer, "tokenizer; without: the model's");
  app.add_option("--concurrent", options.concurrent, "requests at a time")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--prompt-tokens", options.prompt_tokens)->check(CLI::PositiveNumber);
  app.add_option("--new-tokens", options.new_tokens)->check(CLI::PositiveNumber);
  app.add_option("--shared-tokens", options.shared_tokens, "with which all prompts begin")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--reps", options.reps)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads, "0: all cores")->check(CLI::NonNegativeNumber);
  app.add_option("--slice", options.slice, "prompt tokens of one step")->check(CLI::PositiveNumber);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return options;
}

void RunAll(const Options& options) {
  ThreadPool pool(options.threads);
  std::shared_ptr<const Decoder> decoder = LoadDecoder(options.model, pool);
  std::shared_ptr<const Tokenizer> tokenizer =
      LoadTokenizer(options.tokenizer.empty() ? options.model : options.tokenizer);
  Engine engine(decoder, tokenizer,
                {.max_sequences = std::ranges::max(options.concurrent), .prefill_slice = options.slice},
                options.threads);
  for (const int concurrent : options.concurrent) Measure(engine, options, concurrent);
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  try {
    retro::RunAll(retro::ParseOptions(argc, argv));
  } catch (const retro::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
