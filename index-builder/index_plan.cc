#include "index-builder/index_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <random>
#include <string_view>

#include "core/error.h"
#include "core/thread_pool.h"
#include "retriever/embedder.h"
#include "retriever/faiss_nearest_rows.h"
#include "retriever/vector_index.h"

namespace retro {
namespace {

// Of the formulas in the header.
constexpr double kChunksPerRecord = 32, kRecordBytes = 44, kBlockBytes = 4096, kBlockOverhead = 40;
constexpr double kDocumentOverhead = 40;
constexpr double kMostExact = 20'000, kHnswLists = 16'384;
constexpr double kIdBytes = 8, kPaddedCodes = 16, kHnswBytes = 280;
constexpr double kPostingsPerToken = 0.45, kPostingBytes = 1.5 + 24.0 / 128, kLengthBytes = 2;
constexpr double kHeapsFactor = 44, kHeapsExponent = 0.49, kTermBytes = 48;
constexpr double kRuleRecallGap = 0.05, kProbesPerRootOfLists = 1.75, kCandidatesPerNeighbour = 32;
constexpr double kIterations = 10, kTrainingVectorsPerList = 64;
constexpr double kHnswAddDistances = 512, kHnswDistancesPerProbe = 64, kCodewords = 16;
constexpr double kRowNs = 150;
constexpr double kRamShare = 0.9;  // the rest is for the store's cache and the system
constexpr double kSecondsPerHour = 3600;

void Require(bool holds, const std::string& what) {
  if (!holds) Throw(ErrorCode::kInvalidArgument, "{}", what);
}

void CheckOptions(const PlanOptions& options) {
  Require(options.tokens >= 1 && options.tokens <= 1e18, fmt::format("tokens {}: 1 to 10^18", options.tokens));
  Require(options.document_len >= 1, fmt::format("a document of {} tokens: at least 1", options.document_len));
  Require(options.chunk_len >= 1, "chunk_len 0: must be at least 1");
  Require(options.dim >= 8 && options.dim % 8 == 0 && options.dim <= 65'536,
          fmt::format("dim {}: must be a multiple of 8", options.dim));
  Require(options.recall > 0 && options.recall < 1,
          fmt::format("recall {}: must be between 0 and 1; only an exact index has 1", options.recall));
  Require(options.k >= 1, fmt::format("k is {}: must be at least 1", options.k));
  Require(options.workers >= 1, "workers 0: must be at least 1");
}

class Planner {
 public:
  Planner(const PlanOptions& options, const PlanRates& rates)
      : options_(options), rates_(rates), dim_(static_cast<double>(options.dim)) {}

  IndexPlan Plan() {
    plan_.documents = std::max(1.0, std::round(options_.tokens / options_.document_len));
    plan_.chunks = std::round(options_.tokens / options_.chunk_len + plan_.documents / 2);
    plan_.store_bytes = StoreBytes();
    if (options_.lexical) {
      plan_.lexical_bytes = plan_.chunks * kLengthBytes + options_.tokens * kPostingsPerToken * kPostingBytes +
                            kTermBytes * kHeapsFactor * std::pow(options_.tokens, kHeapsExponent);
    }
    if (options_.corpus) {
      plan_.corpus_bytes = options_.tokens * TokenBytes() + plan_.documents * (16 + 20 + options_.document_bytes);
    }
    ChooseIndex();
    ChooseEmbeddings();
    EstimateTimes();
    return std::move(plan_);
  }

 private:
  double TokenBytes() const { return options_.wide_tokens ? 4 : 2; }

  double StoreBytes() const {
    const double token_bytes = options_.tokens * TokenBytes() + plan_.chunks * 8;
    const double records = std::ceil(plan_.chunks / kChunksPerRecord);
    const double bytes = token_bytes + records * kRecordBytes;
    const double document_bytes = plan_.documents * (kDocumentOverhead + options_.document_bytes);
    // A block ends with the record that passes its size.
    const double records_per_block = std::ceil(kBlockBytes / (bytes / records));
    return bytes + records / records_per_block * kBlockOverhead + document_bytes * (1 + kBlockOverhead / kBlockBytes);
  }

  void ChooseIndex() {
    if (plan_.chunks <= kMostExact) {
      plan_.factory = "Flat";
      plan_.code_bytes = plan_.chunks * 4 * dim_;
      SetRam();
      return;
    }
    plan_.lists = std::round(4 * std::sqrt(plan_.chunks));
    const bool by_hnsw = plan_.lists >= kHnswLists;
    plan_.centroid_bytes = plan_.lists * (4 * dim_ + (by_hnsw ? kHnswBytes : 0));
    for (int64_t codes = options_.dim / 8; codes >= options_.dim / 32 && codes > 0; --codes) {
      if (options_.dim % codes != 0 || codes % 2 != 0) continue;
      SetCodes(codes, by_hnsw);
      if (FitsRam()) return;
    }
    SetCodes(options_.dim / 8, by_hnsw);
  }

  void SetCodes(int64_t codes, bool by_hnsw) {
    plan_.factory = fmt::format("IVF{:.0f}{},PQ{}x4fs", plan_.lists, by_hnsw ? "_HNSW32" : "", codes);
    const double code = static_cast<double>(codes) / 2;
    plan_.code_bytes = plan_.chunks * (kIdBytes + code) + plan_.lists * kPaddedCodes * code;
    SetRam();
  }

  // Codes are shared by the workers, centroids each needs.
  void SetRam() { plan_.ram_bytes = plan_.code_bytes / options_.workers + plan_.centroid_bytes; }
  double RamForIndex() const { return kRamShare * options_.ram_bytes; }
  bool FitsRam() const { return options_.ram_bytes == 0 || plan_.ram_bytes <= RamForIndex(); }

  double DiskWith(double embedding_bytes) const {
    return plan_.store_bytes + plan_.code_bytes + plan_.centroid_bytes + plan_.lexical_bytes + plan_.corpus_bytes +
           embedding_bytes;
  }

  void ChooseEmbeddings() {
    const double half = plan_.chunks * 2 * dim_, int8 = plan_.chunks * (dim_ + 4);
    plan_.build_disk_bytes = DiskWith(half);
    plan_.embeddings = plan_.lists == 0 ? "none" : "half";
    if (plan_.lists > 0) plan_.embedding_bytes = half;
    const bool has_disk = options_.disk_bytes == 0 || DiskWith(plan_.embedding_bytes) <= options_.disk_bytes;
    if (plan_.lists > 0 && !has_disk) {
      plan_.embeddings = "int8";
      plan_.embedding_bytes = int8;
    }
    plan_.disk_bytes = DiskWith(plan_.embedding_bytes);
    FindProblems();
  }

  void FindProblems() {
    const double ram = RamForIndex();
    if (!FitsRam()) {
      const double left = ram - plan_.centroid_bytes;
      plan_.workers_for_ram = left > 0 ? static_cast<unsigned>(std::min(1e6, std::ceil(plan_.code_bytes / left))) : 0;
      plan_.problems.push_back(
          left > 0 ? fmt::format("RAM: even short codes do not fit; share the index among {} workers (--workers {})",
                                 plan_.workers_for_ram, plan_.workers_for_ram)
                   : "RAM: the centroids alone do not fit; give each worker more");
    } else {
      plan_.workers_for_ram = options_.workers;
    }
    if (options_.disk_bytes == 0) return;
    if (plan_.disk_bytes > options_.disk_bytes) {
      plan_.problems.push_back(
          fmt::format("disk: {:.0f} GB more are needed for the finished database, also with embeddings of 8 bits",
                      std::ceil((plan_.disk_bytes - options_.disk_bytes) / 1e9)));
    } else if (plan_.build_disk_bytes > options_.disk_bytes) {
      plan_.problems.push_back(
          fmt::format("disk: the finished database fits, but {:.0f} GB more are needed while it is built; build it in "
                      "parts (retro index add)",
                      std::ceil((plan_.build_disk_bytes - options_.disk_bytes) / 1e9)));
    }
  }

  void EstimateTimes() {
    const double n = plan_.chunks, lists = plan_.lists, by_hnsw = lists >= kHnswLists;
    const double gap = kRuleRecallGap / (1 - options_.recall);
    const double work = rates_.multiply_adds_per_s * options_.workers;  // a second
    const double core_ns = 1e9 * rates_.cores / rates_.multiply_adds_per_s;
    if (rates_.embed_chunks_per_s > 0) {
      plan_.embed_hours = n / (rates_.embed_chunks_per_s * options_.workers) / kSecondsPerHour;
    }
    double query_ns = 0;
    if (lists == 0) {
      query_ns = n * dim_ * core_ns;
    } else {
      plan_.nprobe = std::clamp(std::round(kProbesPerRootOfLists * std::sqrt(lists) * gap), 1.0, lists);
      plan_.candidates = std::min(n, std::round(options_.k * kCandidatesPerNeighbour * std::sqrt(gap)));
      plan_.train_hours = kIterations * kTrainingVectorsPerList * lists * lists * dim_ / work / kSecondsPerHour;
      plan_.add_hours = n * ((by_hnsw ? kHnswAddDistances : lists) + kCodewords) * dim_ / work / kSecondsPerHour;
      const double coarse = (by_hnsw ? std::min(lists, kHnswDistancesPerProbe * plan_.nprobe) : lists) * dim_ * core_ns;
      query_ns = coarse + plan_.nprobe * n / lists * rates_.code_ns + plan_.candidates * RowNs();
    }
    plan_.query_ms = query_ns / 1e6;
    plan_.query_all_hours =
        n * query_ns / 1e9 / (static_cast<double>(rates_.cores) * options_.workers) / kSecondsPerHour;
  }

  double RowNs() const {
    if (options_.ram_bytes == 0) return kRowNs;
    const double left = (options_.ram_bytes - plan_.ram_bytes) * options_.workers;
    return plan_.embedding_bytes <= left ? kRowNs : rates_.disk_read_us * 1e3;
  }

  const PlanOptions& options_;
  const PlanRates& rates_;
  double dim_;
  IndexPlan plan_;
};

using Clock = std::chrono::steady_clock;

double Seconds(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<float> RandomVectors(uint64_t count, int64_t dim) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(dim)));
  std::vector<float> vectors(count * static_cast<uint64_t>(dim));
  for (float& value : vectors) value = normal(random);
  return vectors;
}

double MeasureEmbedding(const Embedder& embedder, uint32_t chunk_len, ThreadPool& pool) {
  std::string text;  // common words, each of them one token or little more
  for (uint32_t i = 0; i < chunk_len; ++i) text += i % 2 == 0 ? "river " : "stone ";
  const std::vector<std::string_view> texts(64 * pool.num_threads(), text);
  std::vector<float> rows(texts.size() * static_cast<size_t>(embedder.dim()));
  embedder.Embed(texts, rows, pool);  // once to warm up
  double seconds = 0, chunks = 0;
  for (; seconds < 2; chunks += static_cast<double>(texts.size())) {
    seconds += Seconds([&] { embedder.Embed(texts, rows, pool); });
  }
  return chunks / seconds;
}

double MeasureProducts(int64_t dim, ThreadPool& pool) {
  constexpr uint64_t kLists = 512, kVectors = kTrainingVectorsPerList * kLists, kRows = 1024;
  const std::vector<float> vectors = RandomVectors(kVectors, dim);
  const std::span<const float> lists = std::span(vectors).first(kLists * static_cast<size_t>(dim));
  const double seconds = Seconds([&] {
    pool.ParallelFor(kVectors / kRows, [&](size_t i) {
      const size_t values = kRows * static_cast<size_t>(dim);
      std::vector<uint32_t> nearest(kRows);
      FindNearestRows(std::span(vectors).subspan(i * values, values), lists, dim, nearest);
    });
  });
  return static_cast<double>(kVectors) * kLists * static_cast<double>(dim) / seconds;
}

double MeasureCode(int64_t dim) {
  constexpr uint64_t kVectors = 65'536, kQueries = 32;
  constexpr int kLists = 64;
  const std::vector<float> vectors = RandomVectors(kVectors, dim);
  VectorIndex index(dim, fmt::format("IVF{},PQ{}x4fs", kLists, dim / 8));
  index.Train(std::span(vectors).first(kVectors / 8 * static_cast<uint64_t>(dim)));
  index.Add(vectors);
  const auto search = [&](int nprobe) {
    return Seconds([&] {
      for (uint64_t query = 0; query < kQueries; ++query) {
        const auto row = std::span(vectors).subspan(query * static_cast<uint64_t>(dim), static_cast<size_t>(dim));
        index.Search(row, {.k = 160, .nprobe = nprobe});
      }
    });
  };
  search(kLists);
  return search(kLists) / (kQueries * kVectors) * 1e9;
}

}  // namespace

IndexPlan PlanIndex(const PlanOptions& options, const PlanRates& rates) {
  CheckOptions(options);
  Require(rates.multiply_adds_per_s > 0 && rates.code_ns > 0 && rates.cores > 0,
          "the rates of products, codes and cores must be above 0");
  return Planner(options, rates).Plan();
}

PlanRates MeasureRates(const Embedder* embedder, int64_t dim, uint32_t chunk_len, const PlanRates& given,
                       ThreadPool& pool) {
  Require(dim >= 8 && dim % 8 == 0, fmt::format("dim {}: must be a multiple of 8", dim));
  PlanRates rates = given;
  rates.cores = static_cast<unsigned>(pool.num_threads());
  if (rates.embed_chunks_per_s == 0 && embedder != nullptr) {
    rates.embed_chunks_per_s = MeasureEmbedding(*embedder, chunk_len, pool);
  }
  if (rates.multiply_adds_per_s == 0) rates.multiply_adds_per_s = MeasureProducts(dim, pool);
  if (rates.code_ns == 0) rates.code_ns = MeasureCode(dim);
  return rates;
}

nlohmann::json IndexPlan::ToJson() const {
  return {{"documents", documents},
          {"chunks", chunks},
          {"factory", factory},
          {"lists", lists},
          {"nprobe", nprobe},
          {"candidates", candidates},
          {"embeddings", embeddings},
          {"bytes",
           {{"store", store_bytes},
            {"codes", code_bytes},
            {"centroids", centroid_bytes},
            {"embeddings", embedding_bytes},
            {"lexical", lexical_bytes},
            {"corpus", corpus_bytes},
            {"disk", disk_bytes},
            {"disk_while_building", build_disk_bytes},
            {"ram_of_a_worker", ram_bytes}}},
          {"hours",
           {{"embedding", embed_hours > 0 ? nlohmann::json(embed_hours) : nlohmann::json()},
            {"training", train_hours},
            {"adding", add_hours},
            {"querying_all_chunks", query_all_hours}}},
          {"query_ms", query_ms},
          {"workers_for_ram", workers_for_ram},
          {"problems", problems}};
}

}  // namespace retro
