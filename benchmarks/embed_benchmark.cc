// Embedding texts, as one JSON line: medians over repetitions, with and without tokenization.
// embed_benchmark --model FOLDER (--lines FILE | --chunks FOLDER --chunk-tokenizer MODEL) [--precision fp32|int8]
//   [--n N] [--reps 3] [--threads 0]
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/thread_pool.h"
#include "datasets/tokenizer.h"
#include "model/kernels/matmul.h"
#include "model/load_tokenizer.h"
#include "model/text_encoder.h"
#include "retriever/chunk_store.h"
#include "retriever/embedder.h"
#include "retriever/passage_text.h"

namespace retro {
namespace {

struct Options {
  std::string model, lines, chunks, chunk_tokenizer, precision = "fp32";
  size_t n = SIZE_MAX;
  int reps = 3, threads = 0;
};

std::vector<std::string> ReadLines(const Options& options) {
  std::ifstream in(options.lines);
  if (!in) Throw(ErrorCode::kNotFound, "{}: cannot be read; give a file with a text a line", options.lines);
  std::vector<std::string> lines;
  for (std::string line; lines.size() < options.n && std::getline(in, line);) lines.push_back(line);
  if (lines.empty()) Throw(ErrorCode::kInvalidArgument, "{}: holds no lines", options.lines);
  return lines;
}

// The texts that a database's build embedded.
std::vector<std::string> ChunkTexts(const Options& options) {
  const ChunkStore store(options.chunks);
  const auto tokenizer = LoadTokenizer(options.chunk_tokenizer);
  std::vector<ChunkRecord> chunks;
  store.ReadRange({0}, std::min<uint64_t>(options.n, store.num_chunks()), chunks);
  std::vector<std::string> texts;
  for (const ChunkRecord& chunk : chunks) texts.push_back(PassageText(*tokenizer, chunk.tokens));
  return texts;
}

double MedianSeconds(int reps, const std::function<void()>& work) {
  if (reps > 1) work();  // warm
  std::vector<double> times(reps);
  for (double& time : times) {
    const auto start = std::chrono::steady_clock::now();
    work();
    time = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

nlohmann::json Run(const Options& options) {
  ThreadPool pool(options.threads);
  const auto lines = options.chunks.empty() ? ReadLines(options) : ChunkTexts(options);
  const std::vector<std::string_view> texts(lines.begin(), lines.end());
  const EncoderPrecision precision = ParseEncoderPrecision(options.precision);
  const Embedder embedder(options.model, precision);
  std::vector<float> embeddings(texts.size() * embedder.dim());
  const double from_text = MedianSeconds(options.reps, [&] { embedder.Embed(texts, embeddings, pool); });

  const auto tokenizer = LoadTokenizerFile(options.model);
  const auto encoder = LoadTextEncoder(options.model, precision);
  std::vector<std::vector<TokenId>> ids;
  size_t num_tokens = 0;
  for (const std::string& line : lines) {
    ids.push_back(tokenizer->Encode(line, {.add_special = true}));
    ids.back().resize(std::min<size_t>(ids.back().size(), encoder->max_len()));
    num_tokens += ids.back().size();
  }
  std::ranges::stable_sort(ids, {}, &std::vector<TokenId>::size);
  const std::vector<std::span<const TokenId>> sequences(ids.begin(), ids.end());
  const double from_ids = MedianSeconds(options.reps, [&] { encoder->Embed(sequences, embeddings, pool); });
  const auto count = static_cast<double>(lines.size());
  return {{"bench", "embed"},
          {"kernels", KernelName()},
          {"precision", options.precision},
          {"threads", pool.num_threads()},
          {"chunks", lines.size()},
          {"seconds", from_text},
          {"tokens", num_tokens},
          {"chunks_per_s", count / from_text},
          {"chunks_per_s_from_ids", count / from_ids},
          {"tokens_per_s", static_cast<double>(num_tokens) / from_text}};
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  CLI::App app("Embedding texts");
  retro::Options options;
  app.add_option("--model", options.model, "encoder folder in Hugging Face layout")->required();
  auto* lines = app.add_option("--lines", options.lines, "file with a text a line");
  auto* chunks =
      app.add_option("--chunks", options.chunks, "the texts of a database's folder chunks/")->excludes(lines);
  app.add_option("--chunk-tokenizer", options.chunk_tokenizer, "tokenizer of the chunks")->needs(chunks);
  app.add_option("--precision", options.precision, "of the encoder: fp32, int8");
  app.add_option("--n", options.n, "take only the first N lines");
  app.add_option("--reps", options.reps)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads, "0: as many as there are cores");
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << retro::Run(options).dump() << std::endl;
  } catch (const retro::Error& error) {
    std::cerr << "embed_benchmark: " << error.what() << "\n";
    return 1;
  }
}
