// Prefill and greedy decoding of one model, as one JSON line: medians over repetitions.
// decoder_benchmark --model PATH [--prompt-tokens 512] [--new-tokens 128] [--batch 1] [--reps 3] [--threads 0]
// A RETRO model, every chunk with K neighbours: [--neighbours K], of random tokens, or found by embedding and search in
// a database of the model's tokenizer: [--db FOLDER --encoder FOLDER
// --tokenizer PATH].
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
#include "model/load_tokenizer.h"
#include "retriever/neighbour_retriever.h"

namespace retro {
namespace {

struct Options {
  std::string model;
  std::string db, encoder, tokenizer;
  int neighbours = 0;
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

// Neighbours of as many random tokens as the model takes.
RetrieveFunction RandomNeighbours(const DecoderConfig& config, int k) {
  return [&config, k](std::span<const RetrievalQuery> queries) {
    std::mt19937 random(static_cast<uint32_t>(queries.front().end));
    std::uniform_int_distribution<TokenId> token(0, static_cast<TokenId>(config.vocab_size - 1));
    std::vector<ChunkNeighbours> results(queries.size(),
                                         ChunkNeighbours(k, std::vector<TokenId>(config.retro->neighbour_len)));
    for (ChunkNeighbours& neighbours : results) {
      for (auto& neighbour : neighbours) std::ranges::generate(neighbour, [&] { return token(random); });
    }
    return results;
  };
}

RetrieveFunction MakeRetrieval(const Decoder& decoder, const Options& options, ThreadPool& pool) {
  if (options.neighbours == 0) return {};
  CheckTakesNeighbours(decoder);
  if (options.db.empty()) return RandomNeighbours(decoder.config(), options.neighbours);
  const std::shared_ptr<const Tokenizer> tokenizer = LoadTokenizer(options.tokenizer);
  const auto database =
      std::make_shared<RetrievalDatabase>(options.db, std::make_shared<Embedder>(options.encoder), tokenizer);
  const auto retriever = std::make_shared<NeighbourRetriever>(database, *decoder.config().retro, *tokenizer,
                                                              SearchOptions{.k = options.neighbours}, pool);
  return [retriever](std::span<const RetrievalQuery> queries) { return retriever->Retrieve(queries); };
}

// Gives the neighbours of the chunks that end with the tokens that go through the decoder next.
void Retrieve(const Decoder& decoder, KvCache& cache, std::span<const std::vector<TokenId>> contexts,
              const RetrieveFunction& retrieve) {
  const int64_t chunk_len = decoder.config().retro->chunk_len;
  std::vector<RetrievalQuery> queries;
  for (size_t i = 0; i < contexts.size(); ++i) {
    const auto all = std::span(contexts[i]);
    for (int64_t end = cache.length(static_cast<int>(i)) / chunk_len * chunk_len + chunk_len; end <= std::ssize(all);
         end += chunk_len) {
      queries.push_back({i, end, all.subspan(end - chunk_len, chunk_len)});
    }
  }
  if (queries.empty()) return;
  const auto results = retrieve(queries);
  for (size_t i = 0; i < queries.size(); ++i) {
    decoder.SetNeighbours(cache, static_cast<int>(queries[i].sequence), queries[i].end, results[i]);
  }
}

struct Times {
  double prefill = 0, decode = 0;
};

Times RunOnce(const Decoder& decoder, const Options& options, const RetrieveFunction& retrieve, ThreadPool& pool) {
  const int64_t vocab = decoder.config().vocab_size;
  auto contexts = RandomPrompts(options, vocab);
  const auto cache = decoder.NewCache(options.batch, options.prompt_tokens + options.new_tokens);
  std::vector<SequenceInput> inputs;
  for (auto& context : contexts) context.reserve(options.prompt_tokens + options.new_tokens);
  for (int i = 0; i < options.batch; ++i) inputs.push_back({i, contexts[i]});
  std::vector<float> logits;
  const auto step = [&] {
    if (retrieve) Retrieve(decoder, *cache, contexts, retrieve);
    decoder.Forward(*cache, inputs, LogitsFor::kLastToken, logits, pool);
    for (int i = 0; i < options.batch; ++i) {
      const auto row = std::span(logits).subspan(i * vocab, vocab);
      contexts[i].push_back(static_cast<TokenId>(std::ranges::max_element(row) - row.begin()));
      inputs[i].tokens = std::span(contexts[i]).last(1);
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
  const RetrieveFunction retrieve = MakeRetrieval(*decoder, options, pool);
  RunOnce(*decoder, options, retrieve, pool);  // warms caches and pages
  std::vector<double> prefill, decode;
  for (int i = 0; i < options.reps; ++i) {
    const Times times = RunOnce(*decoder, options, retrieve, pool);
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
          {"neighbours", options.neighbours},
          {"searched", !options.db.empty()},
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
  app.add_option("--neighbours", options.neighbours, "of each chunk; 0: no retrieval")->check(CLI::NonNegativeNumber);
  auto* db = app.add_option("--db", options.db, "search them here, instead of random ones");
  db->needs(app.add_option("--encoder", options.encoder, "the database's"));
  db->needs(app.add_option("--tokenizer", options.tokenizer, "the database's"));
  app.add_flag("--int8", options.int8, "hold 16- and 32-bit weights in 8 bits");
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << retro::Run(options).dump() << std::endl;
  } catch (const retro::Error& error) {
    std::cerr << "decoder_benchmark: " << error.what() << "\n";
    return 1;
  }
}
