// How fast a tokenizer encodes: tokenizer_benchmark --tokenizer PATH --text FILE [--threads N] [--mb N] [--reps N]
// prints one JSON line with the median over the repetitions. The text is cut into documents of about 4 KB at line ends,
// one megabyte is 10^6 bytes of UTF-8, and one repetition before them is not counted.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/thread_pool.h"
#include "datasets/document.h"
#include "datasets/tokenizer.h"
#include "datasets/tokenizer_batch.h"

namespace retro {
namespace {

struct Options {
  std::string tokenizer, text;
  size_t threads = 1;
  double megabytes = 10;
  int reps = 5;
};

std::string ReadText(const Options& options) {
  const auto limit = static_cast<size_t>(options.megabytes * 1e6);
  const auto reader = OpenDocuments({options.text});
  std::string text;
  Document document;
  while (text.size() < limit && reader->Next(document)) text.append(document.text).append("\n");
  return text;
}

std::vector<std::string_view> CutIntoDocuments(std::string_view text, size_t limit) {
  constexpr size_t kDocumentBytes = 4000;
  std::vector<std::string_view> documents;
  for (size_t begin = 0; begin < std::min(text.size(), limit);) {
    const size_t line_end = text.find('\n', std::min(begin + kDocumentBytes, text.size()));
    const size_t end = line_end == std::string_view::npos ? text.size() : line_end + 1;
    documents.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return documents;
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

nlohmann::json Measure(const Options& options) {
  const auto tokenizer = LoadTokenizerFile(options.tokenizer);
  const std::string text = ReadText(options);
  const auto documents = CutIntoDocuments(text, static_cast<size_t>(options.megabytes * 1e6));
  size_t num_bytes = 0;
  for (const auto document : documents) num_bytes += document.size();
  ThreadPool pool(options.threads);
  size_t num_tokens = 0;
  std::vector<double> wall, cpu;
  for (int rep = 0; rep <= options.reps; ++rep) {
    const double cpu_start = CpuSeconds();
    const auto start = std::chrono::steady_clock::now();
    const auto ids = EncodeBatch(*tokenizer, documents, {}, pool);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    num_tokens = 0;
    for (const auto& document : ids) num_tokens += document.size();
    if (rep == 0) continue;
    wall.push_back(elapsed.count());
    cpu.push_back(CpuSeconds() - cpu_start);
  }
  const double megabytes = static_cast<double>(num_bytes) / 1e6;
  const auto total = static_cast<double>(num_tokens);
  return {{"tokenizer", tokenizer->kind()},
          {"threads", options.threads},
          {"documents", documents.size()},
          {"mb_per_s", megabytes / Median(wall)},
          {"best_mb_per_s", megabytes / *std::min_element(wall.begin(), wall.end())},
          {"mb_per_cpu_s", megabytes / Median(cpu)},
          {"tokens", num_tokens},
          {"tokens_per_s", total / Median(wall)},
          {"bytes_per_token", total > 0 ? static_cast<double>(num_bytes) / total : 0.0}};
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  retro::Options options;
  bool json = true;
  CLI::App app("Measures how fast a tokenizer encodes.");
  app.add_option("--tokenizer", options.tokenizer, "tokenizer.json, vocab.txt, .model or a folder")->required();
  app.add_option("--text", options.text, ".txt, .jsonl or either with .gz or .zst")->required();
  app.add_option("--threads", options.threads, "threads")->capture_default_str();
  app.add_option("--mb", options.megabytes, "megabytes of text to take")->capture_default_str();
  app.add_option("--reps", options.reps, "repetitions")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_flag("--json", json, "one JSON line (the only form)");
  CLI11_PARSE(app, argc, argv);
  try {
    std::printf("%s\n", retro::Measure(options).dump().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenizer_benchmark: %s\n", error.what());
    return 1;
  }
  return 0;
}
