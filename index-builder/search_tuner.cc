#include "index-builder/search_tuner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "index-builder/database_writer.h"
#include "index-builder/recall.h"
#include "index-builder/recall_queries.h"
#include "retriever/database_part.h"
#include "retriever/reranked_search.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// Searches that are timed one by one for a setting: enough for a 95th percentile, unless they take longer than this.
constexpr size_t kTimedQueries = 200;
constexpr size_t kLeastTimedQueries = 20;
constexpr std::chrono::milliseconds kMostTimeASetting(1000);
// A recall from which looking at more lists cannot find anything worth its time.
constexpr double kAllFound = 0.9995;
// efSearch of an HNSW index without lists.
constexpr int kLeastEfSearch = 16, kMostEfSearch = 1024;

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

// What can be set of the search through the lists.
std::vector<SearchOptions> ListSettings(const std::string& factory) {
  std::vector<SearchOptions> settings;
  const uint64_t num_lists = NumLists(factory);
  if (num_lists == 0) {
    for (int ef = kLeastEfSearch; ef <= kMostEfSearch; ef *= 2) settings.push_back({.nprobe = ef});
    return settings;
  }
  const bool by_hnsw = factory.find("_HNSW") != std::string::npos;
  for (const int nprobe : ProbeSettings(num_lists)) {
    settings.push_back({.nprobe = nprobe});
    if (!by_hnsw) continue;
    settings.back().ef_search = std::max(kLeastEfSearch, nprobe);
    for (const int more : {2, 4}) settings.push_back({.nprobe = nprobe, .ef_search = more * settings.back().ef_search});
  }
  return settings;
}

class PartTuner {
 public:
  PartTuner(const DatabasePart& part, std::span<const float> queries, const TuneOptions& options, ThreadPool& pool)
      : part_(part),
        queries_(queries),
        pool_(pool),
        measured_(part.index(), *part.embeddings(), queries, options.k, pool) {}

  // Every setting until all is found, or until nothing is quick enough any more.
  std::vector<TunedSearch> Measure(double most_ms) const {
    const std::vector<int> factors = RerankSettings(/*rerank=*/true);
    const std::vector<SearchOptions> lists = ListSettings(part_.index().factory());
    Progress progress("tune", "settings", lists.size() * factors.size());
    std::vector<TunedSearch> points;
    for (const SearchOptions& setting : lists) {
      ThrowIfInterrupted();
      const std::vector<double> recalls = measured_.Recalls(setting, factors);
      for (size_t i = 0; i < factors.size(); ++i) points.push_back(Time(setting, factors[i], recalls[i]));
      progress.Add(factors.size());
      const bool too_slow = std::all_of(points.end() - std::ssize(factors), points.end(),
                                        [&](const TunedSearch& point) { return point.p95_ms > most_ms; });
      if (recalls.back() >= kAllFound || too_slow) break;
    }
    progress.Finish();
    return points;
  }

 private:
  TunedSearch Time(const SearchOptions& lists, int factor, double recall) const {
    TunedSearch point{
        .nprobe = lists.nprobe, .ef_search = lists.ef_search, .rerank_factor = factor, .k = measured_.k()};
    point.recall = recall;
    const SearchOptions search{
        .k = point.k, .nprobe = point.nprobe, .ef_search = point.ef_search, .rerank_factor = factor};
    const auto dim = static_cast<size_t>(part_.index().dim());
    std::vector<double> times;
    const auto begin = Clock::now();
    for (size_t query = 0; query < std::min(kTimedQueries, queries_.size() / dim); ++query) {
      const auto start = Clock::now();
      SearchReranked(part_.index(), part_.embeddings(), queries_.subspan(query * dim, dim), search, pool_);
      times.push_back(Milliseconds(Clock::now() - start));
      if (times.size() >= kLeastTimedQueries && Clock::now() - begin > kMostTimeASetting) break;
    }
    std::ranges::sort(times);
    point.median_ms = times[times.size() / 2];
    point.p95_ms = times[times.size() * 95 / 100];
    return point;
  }

  const DatabasePart& part_;
  std::span<const float> queries_;
  ThreadPool& pool_;
  RecallMeasurement measured_;
};

std::vector<TunedSearch> ParetoFront(std::vector<TunedSearch> points) {
  std::ranges::sort(points, [](const TunedSearch& a, const TunedSearch& b) {
    return a.median_ms != b.median_ms ? a.median_ms < b.median_ms : a.recall > b.recall;
  });
  std::vector<TunedSearch> front;
  for (const TunedSearch& point : points) {
    if (front.empty() || point.recall > front.back().recall) front.push_back(point);
  }
  return front;
}

// `most_ms`: infinite where recall decides.
void Choose(const TuneOptions& options, double most_ms, TunedPart& part) {
  const auto& front = part.front;
  if (options.latency_ms) {
    const auto last = std::find_if(front.rbegin(), front.rend(), [&](const auto& p) { return p.p95_ms <= most_ms; });
    part.reached = last != front.rend();
    part.chosen = part.reached ? static_cast<size_t>(front.rend() - last) - 1 : 0;
    return;
  }
  const auto first = std::ranges::find_if(front, [&](const auto& point) { return point.recall >= options.recall; });
  part.reached = first != front.end();
  part.chosen = part.reached ? static_cast<size_t>(first - front.begin()) : front.size() - 1;
}

void CheckOptions(const TuneOptions& options) {
  if (options.k < 1) Throw(ErrorCode::kInvalidArgument, "k is {}: at least 1 neighbour must be asked for", options.k);
  if (!(options.recall > 0 && options.recall <= 1)) {
    Throw(ErrorCode::kInvalidArgument, "recall {}: must be above 0 and at most 1", options.recall);
  }
  if (options.latency_ms && !(*options.latency_ms > 0)) {
    Throw(ErrorCode::kInvalidArgument, "latency of {} ms: must be above 0", *options.latency_ms);
  }
}

class DatabaseTuner {
 public:
  DatabaseTuner(const DatabaseGeneration& generation, const Tokenizer& tokenizer, const Embedder& embedder,
                const TuneOptions& options, ThreadPool& pool)
      : generation_(generation), tokenizer_(tokenizer), embedder_(embedder), options_(options), pool_(pool) {
    for (const GenerationPart& part : generation.parts) {
      parts_.push_back(std::make_unique<DatabasePart>(part, embedder.dim(), Manifest::Check::kChecksums));
      if (parts_.back()->has_exact_distances()) continue;
      Throw(ErrorCode::kInvalidArgument,
            "{}: its embeddings were not kept, so what its index should find is not known; build it with "
            "--keep-embeddings",
            part.folder.string());
    }
  }

  std::vector<TunedPart> Run() {
    std::vector<TunedPart> tuned;
    for (size_t i = 0; i < parts_.size(); ++i) tuned.push_back(Tune(i));
    return tuned;
  }

 private:
  TunedPart Tune(size_t index) {
    const DatabasePart& part = *parts_[index];
    TunedPart tuned{.name = generation_.parts[index].name, .factory = part.index().factory()};
    tuned.chunks = part.chunks().num_chunks();
    if (tuned.factory == "Flat") return tuned;
    const std::vector<float> queries = MakeQueries(part);
    const double share = static_cast<double>(tuned.chunks) / static_cast<double>(generation_.Totals().chunks);
    const double most_ms = options_.latency_ms ? *options_.latency_ms * share : HUGE_VAL;
    const std::vector<TunedSearch> points = PartTuner(part, queries, options_, pool_).Measure(most_ms);
    tuned.settings = points.size();
    tuned.front = ParetoFront(points);
    Choose(options_, most_ms, tuned);
    return tuned;
  }

  std::vector<float> MakeQueries(const DatabasePart& part) const {
    if (options_.queries.empty()) {
      // Other ones than the build measured with.
      return MakeRecallQueries(part.chunks(), tokenizer_, embedder_,
                               {.count = options_.num_queries, .seed = options_.seed + 2}, pool_);
    }
    const std::vector<std::string_view> texts(options_.queries.begin(), options_.queries.end());
    std::vector<float> rows(texts.size() * static_cast<size_t>(embedder_.dim()));
    embedder_.Embed(texts, rows, pool_);
    return rows;
  }

  const DatabaseGeneration& generation_;
  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  const TuneOptions& options_;
  ThreadPool& pool_;
  std::vector<std::unique_ptr<DatabasePart>> parts_;
};

}  // namespace

nlohmann::json TuneReport::ToJson() const {
  nlohmann::json all = nlohmann::json::array();
  for (const TunedPart& part : parts) {
    nlohmann::json front = nlohmann::json::array();
    for (const TunedSearch& point : part.front) front.push_back(point.ToJson());
    all.push_back({{"name", part.name},
                   {"factory", part.factory},
                   {"chunks", part.chunks},
                   {"settings", part.settings},
                   {"reached", part.reached},
                   {"chosen", part.front.empty() ? nlohmann::json() : part.front[part.chosen].ToJson()},
                   {"front", front}});
  }
  return {{"changed", changed}, {"generation", generation}, {"parts", all}};
}

TuneReport TuneDatabase(const fs::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                        const TuneOptions& options, ThreadPool& pool) {
  CheckOptions(options);
  DatabaseWriter writer(folder, options.on_step);
  RequireFingerprint(writer.folder(), writer.current().manifest, "tokenizer", tokenizer.fingerprint());
  RequireFingerprint(writer.folder(), writer.current().manifest, "embedder", embedder.fingerprint());
  TuneReport report;
  report.parts = DatabaseTuner(writer.current(), tokenizer, embedder, options, pool).Run();
  report.changed = std::ranges::any_of(report.parts, [](const TunedPart& part) { return !part.front.empty(); });
  if (report.changed) {
    DatabaseGeneration next = writer.Begin();
    for (size_t i = 0; i < next.parts.size(); ++i) {
      const TunedPart& part = report.parts[i];
      if (!part.front.empty()) next.parts[i].search = part.front[part.chosen];
      if (!next.parts[i].name.empty()) report.parts[i].name = next.parts[i].name;
    }
    writer.Publish(std::move(next));
    writer.CleanUp(/*keep_next=*/true);
  }
  report.generation = writer.current().number;
  return report;
}

}  // namespace retro
