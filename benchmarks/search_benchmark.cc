// Index search with exact re-ranking: sweeps nprobe and rerank_factor, and reports recall@10 and queries per second.
//   search_benchmark --vectors V.npy --queries Q.npy [--factory S] [--threads N] [--reps R] [--recall 0.9] [--work DIR]
// One JSON object on stdout. The built index is kept in DIR, if given, and used again.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "core/error.h"
#include "core/file.h"
#include "core/npy.h"
#include "core/record_file.h"
#include "core/thread_pool.h"
#include "retriever/half_embeddings.h"
#include "retriever/reranked_search.h"

namespace retro {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr int kNeighbours = 10;
constexpr uint64_t kBlockRows = 50'000;

struct Arguments {
  std::string vectors, queries, factory, work;
  int threads = 0, reps = 5;
  double recall = 0.9;
};

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

using Found = std::vector<std::vector<Neighbour>>;

double Recall(const Found& found, const Found& truth) {
  size_t hits = 0, total = 0;
  for (size_t query = 0; query < truth.size(); ++query) {
    total += truth[query].size();
    for (const Neighbour& wanted : truth[query]) {
      hits += std::any_of(found[query].begin(), found[query].end(),
                          [&](const Neighbour& neighbour) { return neighbour.chunk == wanted.chunk; });
    }
  }
  return static_cast<double>(hits) / static_cast<double>(total);
}

void WriteHalves(const NpyMatrix& vectors, const std::filesystem::path& folder) {
  MakeDirectories(folder);
  std::vector<uint16_t> row(vectors.num_columns);
  for (uint64_t begin = 0; begin < vectors.num_rows; begin += kBlockRows) {
    RecordFileWriter writer(EmbeddingsBlockPath(folder, begin / kBlockRows), EmbeddingsFormat(vectors.num_columns));
    for (uint64_t i = begin; i < std::min(vectors.num_rows, begin + kBlockRows); ++i) {
      FloatToHalf(vectors.Row(i), row);
      writer.Append(std::span<const uint16_t>(row));
    }
    writer.Finish();
  }
}

VectorIndex Build(const NpyMatrix& vectors, const std::string& factory) {
  VectorIndex index(vectors.num_columns, factory);
  if (index.NeedsTraining()) {
    std::vector<uint64_t> rows(vectors.num_rows), picked;
    std::iota(rows.begin(), rows.end(), 0);
    std::sample(rows.begin(), rows.end(), std::back_inserter(picked),
                std::min(index.TrainingVectors(), vectors.num_rows), std::mt19937_64(5));
    std::vector<float> sample;
    for (const uint64_t row : picked) sample.insert(sample.end(), vectors.Row(row).begin(), vectors.Row(row).end());
    index.Train(sample);
  }
  index.Add(vectors.values);
  return index;
}

double MedianSeconds(int reps, const std::function<void()>& body) {
  std::vector<double> times;
  for (int rep = 0; rep < reps; ++rep) {
    const auto start = Clock::now();
    body();
    times.push_back(Seconds(start));
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

Json Sweep(const Arguments& arguments, const VectorIndex& index, const HalfEmbeddings& embeddings,
           const NpyMatrix& queries, const Found& truth, ThreadPool& pool) {
  Json points = Json::array();
  for (const int nprobe : {8, 16, 24, 32, 48, 64, 96, 128, 192, 256}) {
    for (const int factor : {4, 8, 16, 24, 32, 48}) {
      const SearchOptions options{.k = kNeighbours, .nprobe = nprobe, .rerank_factor = factor};
      Found found;
      const double seconds = MedianSeconds(
          arguments.reps, [&] { found = SearchReranked(index, &embeddings, queries.values, options, pool); });
      points.push_back({{"nprobe", nprobe},
                        {"rerank_factor", factor},
                        {"recall_at_10", Recall(found, truth)},
                        {"queries_per_s", static_cast<double>(queries.num_rows) / seconds}});
    }
  }
  return points;
}

Json Fastest(const Json& points, double recall) {
  Json best;
  for (const Json& point : points) {
    if (point["recall_at_10"] < recall) continue;
    if (best.is_null() || point["queries_per_s"] > best["queries_per_s"]) best = point;
  }
  return best;
}

void Run(const Arguments& arguments) {
  const NpyMatrix vectors = ReadNpy(arguments.vectors), queries = ReadNpy(arguments.queries);
  ThreadPool pool(arguments.threads);
  const std::filesystem::path work = arguments.work.empty()
                                         ? std::filesystem::temp_directory_path() / "retro-search-benchmark"
                                         : std::filesystem::path(arguments.work);
  const std::filesystem::path index_file = work / "vectors.index", halves = work / "embeddings";
  const auto start = Clock::now();
  const std::string factory =
      arguments.factory.empty() ? VectorIndex::ChooseFactory(vectors.num_rows, vectors.num_columns) : arguments.factory;
  if (!std::filesystem::exists(index_file)) {
    WriteHalves(vectors, halves);
    Build(vectors, factory).Save(index_file);
  }
  const double build_seconds = Seconds(start);
  const VectorIndex index = VectorIndex::Load(index_file);
  const HalfEmbeddings embeddings(halves, vectors.num_columns);
  VectorIndex exact(vectors.num_columns, "Flat");
  exact.Add(vectors.values);
  const Found truth = SearchReranked(exact, nullptr, queries.values, {.k = kNeighbours}, pool);
  const Json points = Sweep(arguments, index, embeddings, queries, truth, pool);
  std::cout << Json{{"vectors", vectors.num_rows},
                    {"factory", index.factory()},
                    {"threads", pool.num_threads()},
                    {"build_s", build_seconds},
                    {"fastest", Fastest(points, arguments.recall)},
                    {"sweep", points}}
                   .dump()
            << "\n";
  if (arguments.work.empty()) std::filesystem::remove_all(work);
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  retro::Arguments arguments;
  CLI::App app("Index search with exact re-ranking: recall@10 and queries per second");
  app.add_option("--vectors", arguments.vectors, "float32 .npy of the database's vectors")->required();
  app.add_option("--queries", arguments.queries, "float32 .npy of the queries")->required();
  app.add_option("--factory", arguments.factory, "FAISS index string (default: chosen by size)");
  app.add_option("--threads", arguments.threads, "threads (default: all)");
  app.add_option("--reps", arguments.reps, "repetitions, of which the median counts");
  app.add_option("--recall", arguments.recall, "recall@10 that a point must reach");
  app.add_option("--work", arguments.work, "folder for the built index, kept");
  CLI11_PARSE(app, argc, argv);
  try {
    retro::Run(arguments);
  } catch (const std::exception& error) {
    std::cerr << "search_benchmark: " << error.what() << "\n";
    return 1;
  }
}
