// Near-duplicate removal: dedup_benchmark --input FILE.jsonl [--threshold T] [--permutations N] [--threads N] [--reps
// N] prints one JSON line: documents a second (the median), and which documents were dropped. The texts are in memory;
// one repetition before those that count is not measured.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "datasets/document.h"
#include "datasets/near_duplicates.h"

namespace retro {
namespace {

struct Options {
  std::string input;
  size_t threads = 1;
  int reps = 5;
  NearDuplicateOptions near;
};

std::vector<std::string> ReadTexts(const std::string& input) {
  const auto reader = OpenDocuments({input});
  std::vector<std::string> texts;
  for (Document document; reader->Next(document);) texts.push_back(document.text);
  return texts;
}

std::vector<uint64_t> FindDropped(const std::vector<uint64_t>& first) {
  std::vector<uint64_t> dropped;
  for (uint64_t i = 0; i < first.size(); ++i) {
    if (first[i] != i) dropped.push_back(i);
  }
  return dropped;
}

nlohmann::json Measure(const Options& options) {
  const std::vector<std::string> texts = ReadTexts(options.input);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  ThreadPool pool(options.threads);
  std::vector<double> times;
  std::vector<uint64_t> first;
  for (int rep = 0; rep <= options.reps; ++rep) {
    const auto start = std::chrono::steady_clock::now();
    NearDuplicates documents(options.near);
    documents.Add(views, pool);
    first = documents.Clusters(pool);
    if (rep > 0) times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return {{"documents", texts.size()},
          {"threads", options.threads},
          {"docs_per_s", static_cast<double>(texts.size()) / times[times.size() / 2]},
          {"dropped", FindDropped(first)}};
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  retro::Options options;
  CLI::App app("Measures how fast near duplicates are found.");
  app.add_option("--input", options.input, "JSON lines with \"text\"")->required();
  app.add_option("--threads", options.threads, "threads")->capture_default_str();
  app.add_option("--reps", options.reps, "repetitions")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--threshold", options.near.threshold, "Jaccard similarity")->capture_default_str();
  app.add_option("--permutations", options.near.num_permutations, "of a signature")->capture_default_str();
  app.add_flag("--exact", options.near.exact, "compare candidates by their n-grams");
  CLI11_PARSE(app, argc, argv);
  try {
    std::printf("%s\n", retro::Measure(options).dump().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dedup_benchmark: %s\n", error.what());
    return 1;
  }
  return 0;
}
