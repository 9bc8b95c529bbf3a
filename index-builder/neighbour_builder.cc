#include "index-builder/neighbour_builder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/file_tree.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/staged_folder.h"
#include "core/thread_pool.h"
#include "datasets/neighbour_table.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kCandidatesKind = "neighbour candidates";
constexpr const char* kCandidatesFolder = "candidates";
constexpr const char* kSearchStage = "search";

// Sequences whose rows are chosen between two looks at Ctrl-C.
constexpr uint64_t kBatchSequences = 256;

void CheckShare(const char* name, double share) {
  if (share >= 0 && share <= 1) return;
  Throw(ErrorCode::kInvalidArgument, "{} {}: must be a share from 0 to 1", name, share);
}

void CheckOptions(const NeighbourOptions& options) {
  const CandidateOptions& search = options.search;
  if (search.candidates == 0 || search.candidates > kMaxNeighbours) {
    Throw(ErrorCode::kInvalidArgument, "{} candidates: must be 1 to {}", search.candidates, kMaxNeighbours);
  }
  if (options.selection.k > search.candidates) {
    Throw(ErrorCode::kInvalidArgument, "k {}: must be at most the {} candidates that are searched for",
          options.selection.k, search.candidates);
  }
  if (search.block_rows == 0) Throw(ErrorCode::kInvalidArgument, "block_rows 0: must be at least 1");
  if (search.nprobe < 0 || search.rerank_factor < 0) {
    Throw(ErrorCode::kInvalidArgument, "nprobe {} and rerank_factor {}: must be 0 or more", search.nprobe,
          search.rerank_factor);
  }
  CheckShare("max_next_overlap", options.selection.max_next_overlap);
  CheckShare("max_row_overlap", options.selection.max_row_overlap);
}

nlohmann::json SearchJson(const CandidateOptions& search) {
  return {{"candidates", search.candidates},
          {"nprobe", search.nprobe},
          {"rerank_factor", search.rerank_factor},
          {"block_rows", search.block_rows}};
}

bool Agree(const Manifest& a, const Manifest& b) {
  return a.inputs == b.inputs && a.options == b.options && a.fingerprints == b.fingerprints;
}

// The names of what differs between two JSON objects.
std::vector<std::string> Differences(const nlohmann::json& a, const nlohmann::json& b) {
  std::vector<std::string> names;
  for (const auto& [name, value] : a.items()) {
    if (!b.contains(name) || b[name] != value) names.push_back(name);
  }
  return names;
}

class NeighbourBuilder {
 public:
  NeighbourBuilder(const fs::path& corpus, const RetrievalDatabase& database, const NeighbourOptions& options,
                   ThreadPool& pool)
      : database_(database),
        options_(options),
        pool_(pool),
        corpus_(corpus, options.part),
        sequences_(corpus_, options.seq_len),
        chunks_(corpus_, database.chunks().chunk_len()) {
    CheckTokenizers(corpus);
    const uint32_t chunk_len = database.chunks().chunk_len();
    wanted_ = NeighbourTableManifest({.corpus = corpus,
                                      .part = options.part,
                                      .database = database.folder(),
                                      .seq_len = options.seq_len,
                                      .chunk_len = chunk_len,
                                      .k = options.selection.k});
    wanted_.options["order"] = NeighbourOrderName(options.selection.order);
    wanted_.options["max_next_overlap"] = options.selection.max_next_overlap;
    wanted_.options["max_row_overlap"] = options.selection.max_row_overlap;
    wanted_.options["search"] = SearchJson(options.search);
    wanted_.fingerprints = {{"tokenizer", database.tokenizer().fingerprint()},
                            {"vocab_size", database.tokenizer().vocab_size()},
                            {"embedder", database.manifest().fingerprints.at("embedder")}};
    if (database.query_precision() != EncoderPrecision::kFp32) {
      wanted_.fingerprints["embed_precision"] = EncoderPrecisionName(database.query_precision());
    }
    wanted_candidates_.kind = kCandidatesKind;
    wanted_candidates_.inputs = wanted_.inputs;
    wanted_candidates_.fingerprints = wanted_.fingerprints;
    wanted_candidates_.options = SearchJson(options.search);
    wanted_candidates_.options["part"] = options.part;
    wanted_candidates_.options["chunk_len"] = chunk_len;
  }

  Manifest Build(const fs::path& out) {
    if (auto done = FindFinished(out)) {
      spdlog::info("{}: holds this neighbour table already; nothing to do", out.string());
      return *done;
    }
    if (!options_.candidates_from.empty()) RequireCandidates(options_.candidates_from);
    StagedFolder staged(out, StagedFolder::Unpublished::kKeep);
    folder_ = staged.path();
    if (!ResumeFinished()) {
      PrepareCandidates(out);
      Search();
      Choose();
    }
    Manifest finished = Manifest::Load(folder_, wanted_.kind);
    staged.Publish();
    return finished;
  }

 private:
  void CheckTokenizers(const fs::path& corpus) const {
    const std::string of_corpus = corpus_.manifest().fingerprints.value("tokenizer", "");
    const std::string& of_database = database_.tokenizer().fingerprint();
    if (of_corpus == of_database) return;
    Throw(ErrorCode::kInvalidArgument,
          "{} was made with another tokenizer ({}) than {} ({}): a model could not read its neighbours; build one of "
          "them again",
          corpus.string(), of_corpus, database_.folder().string(), of_database);
  }

  std::optional<Manifest> FindFinished(const fs::path& out) const {
    if (!Manifest::Exists(out)) return std::nullopt;
    Manifest found = Manifest::Load(out, wanted_.kind);
    if (!Agree(found, wanted_)) return std::nullopt;
    if (!found.HasFiles(out)) return std::nullopt;
    return found;
  }

  // Whether an earlier run came to its end, save for putting the folder in place.
  bool ResumeFinished() const {
    return Manifest::Exists(folder_) && Agree(Manifest::Load(folder_, wanted_.kind), wanted_);
  }

  fs::path candidates() const { return folder_ / kCandidatesFolder; }

  // Whether the candidates in a folder, complete or not, are those of the search that is wanted.
  bool HasCandidates(const fs::path& folder) const {
    return Manifest::Exists(folder) && Agree(Manifest::Load(folder, kCandidatesKind), wanted_candidates_);
  }

  void RequireCandidates(const fs::path& table) const {
    const fs::path folder = table / kCandidatesFolder;
    if (HasCandidates(folder)) return;
    const Manifest found = Manifest::Load(folder, kCandidatesKind);
    std::vector<std::string> names = Differences(wanted_candidates_.inputs, found.inputs);
    std::ranges::copy(Differences(wanted_candidates_.options, found.options), std::back_inserter(names));
    std::ranges::copy(Differences(wanted_candidates_.fingerprints, found.fingerprints), std::back_inserter(names));
    Throw(ErrorCode::kInvalidArgument,
          "{}: its candidates are of another search: they differ in {}; give the same "
          "ones, or let new candidates be searched",
          table.string(), fmt::join(names, ", "));
  }

  void PrepareCandidates(const fs::path& out) {
    RemoveAll(folder_ / "manifest.json");
    if (HasCandidates(candidates())) {
      spdlog::info("{}: going on with the search that was left there", folder_.string());
      return;
    }
    RemoveAll(candidates());
    MakeDirectories(candidates());
    if (!options_.candidates_from.empty()) {
      TakeCandidates(options_.candidates_from / kCandidatesFolder);
    } else if (HasCandidates(out / kCandidatesFolder)) {
      TakeCandidates(out / kCandidatesFolder);
    }
    wanted_candidates_.Save(candidates());
  }

  // Blocks that are missing or damaged there are searched for.
  void TakeCandidates(const fs::path& from) {
    spdlog::info("{}: its candidates are used again", from.string());
    for (uint64_t block = 0; block < NumCandidateBlocks(chunks_.num_sequences(), options_.search); ++block) {
      for (const auto& path : {NeighbourIdsPath, NeighbourDistancesPath}) {
        const fs::path file = path(CandidateBlockStem(from, block));
        if (fs::exists(file)) LinkOrCopy(file, candidates() / file.filename());
      }
    }
    SyncDirectory(candidates());
  }

  void Search() {
    SearchCandidates(chunks_, database_, candidates(), options_.search, options_.on_step, pool_);
    Manifest manifest = wanted_candidates_;
    manifest.counts["rows"] = chunks_.num_sequences();
    manifest.stages.push_back(kSearchStage);
    for (uint64_t block = 0; block < NumCandidateBlocks(chunks_.num_sequences(), options_.search); ++block) {
      const fs::path stem = CandidateBlockStem("", block);
      manifest.AddFile(candidates(), NeighbourIdsPath(stem));
      manifest.AddFile(candidates(), NeighbourDistancesPath(stem));
    }
    manifest.Save(candidates());
    Step(kSearchStage);
  }

  void Choose() {
    const CandidateBlocks blocks(candidates(), chunks_.num_sequences(), options_.search);
    const ChunkSurvey survey(database_.chunks(), database_.tokenizer().vocab_size());
    const NeighbourSelector selector(corpus_, sequences_, database_.chunks(), survey, blocks, options_.selection);
    NeighbourTableWriter writer(folder_, wanted_);
    Progress progress("choice of neighbours", "sequences", sequences_.num_sequences());
    SelectionCounts counts;
    for (uint64_t first = 0; first < sequences_.num_sequences(); first += kBatchSequences) {
      ThrowIfInterrupted();
      const uint64_t size = std::min(kBatchSequences, sequences_.num_sequences() - first);
      counts += ChooseBatch(selector, first, size, writer);
      progress.Add(size);
    }
    progress.Finish();
    nlohmann::json json = counts.ToJson();
    json["sequences"] = sequences_.num_sequences();
    writer.Finish(json);
    if (counts.neighbours == 0) {
      spdlog::warn(
          "not one chunk has a neighbour: all {} candidates were dropped (see retro neighbours stats); search "
          "more candidates, or a database with other documents",
          counts.candidates);
    }
    Step("table");
  }

  // Sums in the order of the sequences, whoever worked on them.
  SelectionCounts ChooseBatch(const NeighbourSelector& selector, uint64_t first, uint64_t size,
                              NeighbourTableWriter& writer) {
    const size_t width = selector.chunks_per_sequence() * options_.selection.k;
    std::vector<uint64_t> ids(size * width);
    std::vector<float> distances(size * width);
    std::vector<SelectionCounts> counts(size);
    pool_.ParallelFor(size, [&](size_t i) {
      counts[i] = selector.Select(first + i, std::span(ids).subspan(i * width, width),
                                  std::span(distances).subspan(i * width, width));
    });
    writer.Append(ids, distances);
    SelectionCounts sum;
    for (const SelectionCounts& count : counts) sum += count;
    return sum;
  }

  void Step(std::string_view name) const {
    if (options_.on_step) options_.on_step(name);
  }

  const RetrievalDatabase& database_;
  const NeighbourOptions& options_;
  ThreadPool& pool_;
  Corpus corpus_;
  TokenSequences sequences_;
  TokenSequences chunks_;  // the same tokens in pieces of one chunk: the search does not know of sequences
  fs::path folder_;        // the staging folder
  Manifest wanted_, wanted_candidates_;  // without files and counts
};

}  // namespace

Manifest BuildNeighbours(const fs::path& corpus, const RetrievalDatabase& database, const fs::path& out,
                         const NeighbourOptions& options, ThreadPool& pool) {
  CheckOptions(options);
  RequireOrder(options.selection.order, database);
  return NeighbourBuilder(corpus, database, options, pool).Build(out);
}

}  // namespace retro
