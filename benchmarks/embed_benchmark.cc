// Embedding lines of text, as one JSON line: medians over repetitions, with and without tokenization.
// embed_benchmark --model FOLDER --lines FILE [--n N] [--reps 3] [--threads 0]
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
#include "model/text_encoder.h"
#include "retriever/embedder.h"

namespace retro {
namespace {

struct Options {
  std::string model, lines;
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

double MedianSeconds(int reps, const std::function<void()>& work) {
  work();
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
  const auto lines = ReadLines(options);
  const std::vector<std::string_view> texts(lines.begin(), lines.end());
  const Embedder embedder(options.model);
  std::vector<float> embeddings(texts.size() * embedder.dim());
  const double from_text = MedianSeconds(options.reps, [&] { embedder.Embed(texts, embeddings, pool); });

  const auto tokenizer = LoadTokenizerFile(options.model);
  const auto encoder = LoadTextEncoder(options.model);
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
          {"threads", pool.num_threads()},
          {"chunks", lines.size()},
          {"tokens", num_tokens},
          {"chunks_per_s", count / from_text},
          {"chunks_per_s_from_ids", count / from_ids},
          {"tokens_per_s", static_cast<double>(num_tokens) / from_text}};
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  CLI::App app("Embedding lines of text");
  retro::Options options;
  app.add_option("--model", options.model, "encoder folder in Hugging Face layout")->required();
  app.add_option("--lines", options.lines, "file with a text a line")->required();
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
