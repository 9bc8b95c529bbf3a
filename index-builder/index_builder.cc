#include "index-builder/index_builder.h"

#include <optional>

#include "core/error.h"
#include "core/file_tree.h"
#include "core/log.h"
#include "core/mapped_memory.h"
#include "core/staged_folder.h"
#include "core/thread_pool.h"
#include "index-builder/build_job.h"
#include "index-builder/part_index.h"
#include "index-builder/vector_stage.h"
#include "retriever/database_files.h"
#include "retriever/generation.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kKind = "retrieval database";
constexpr const char* kBlocksFolder = "blocks";

bool IsCorpusFolder(const std::vector<fs::path>& inputs) {
  return inputs.size() == 1 && fs::is_directory(inputs[0]) && Manifest::Exists(inputs[0]);
}

void CheckOptions(const IndexOptions& options) {
  if (options.chunk_len == 0) Throw(ErrorCode::kInvalidArgument, "chunk_len 0: must be at least 1");
  if (options.block_chunks == 0) Throw(ErrorCode::kInvalidArgument, "block_chunks 0: must be at least 1");
  if (!(options.target_recall > 0 && options.target_recall <= 1)) {
    Throw(ErrorCode::kInvalidArgument, "target_recall {}: must be above 0 and at most 1", options.target_recall);
  }
}

// What was added to a database since it was built would be lost without a word.
void RefuseChanged(const fs::path& out) {
  const uint64_t generation = DatabaseGeneration::Load(out).number;
  if (generation == 0) return;
  Throw(
      ErrorCode::kInvalidArgument,
      "{}: was changed since it was built (generation {}), and a build would drop the changes; name another folder, or "
      "remove this one first",
      out.string(), generation);
}

class IndexBuilder {
 public:
  IndexBuilder(const Tokenizer& tokenizer, const Embedder& embedder, const IndexOptions& options, ThreadPool& pool)
      : tokenizer_(tokenizer), embedder_(embedder), options_(options), pool_(pool) {
    wanted_.kind = kKind;
    wanted_.options = OptionsToJson(options);
    wanted_.fingerprints = Fingerprints(tokenizer, embedder, options);
  }

  Manifest Build(const std::vector<fs::path>& inputs, const fs::path& out, Communicator& ranks) {
    const bool leads = ranks.rank() == 0;
    std::optional<Manifest> finished;
    if (leads) finished = FindFinished(inputs, out);
    if (FromRankZero(finished.has_value(), ranks) != 0) return Manifest::Load(out, kKind);
    std::optional<StagedFolder> staged;
    if (leads) staged.emplace(out, StagedFolder::Unpublished::kKeep);
    folder_ = StagingPath(out);
    if (leads) MakeCorpus(inputs);
    Meet(ranks);
    const fs::path corpus_folder = CorpusFolder(inputs);
    wanted_.AddInput(kCorpusFolder, corpus_folder);
    const bool is_whole = leads && ResumeFinished();
    if (FromRankZero(is_whole, ranks) == 0) RunStages(corpus_folder, ranks);
    Manifest made = Manifest::Load(folder_, kKind);
    Meet(ranks);
    if (leads) {
      RemoveLeftovers(made);
      staged->Publish();
    }
    Meet(ranks);
    return made;
  }

  void RunStage(const std::vector<fs::path>& inputs, const fs::path& out, BuildStage stage, const BuildShare& share) {
    if (FindFinished(inputs, out)) return;
    const StagedFolderWorker place(out);
    folder_ = place.path();
    if (stage == BuildStage::kCorpus) {
      if (share.index == 0) MakeCorpus(inputs);
      return;
    }
    BuildJob job(folder_, CorpusFolder(inputs), tokenizer_, embedder_, options_, pool_);
    if (stage == BuildStage::kChunks) job.MakeChunks(share);
    if (stage == BuildStage::kEmbed) job.Embed(share);
    SingleProcess alone;
    if (stage == BuildStage::kTrain && share.index == 0) job.Train(alone);
    if (stage == BuildStage::kEncode) job.Encode(share);
  }

 private:
  // Nobody goes on before all have come.
  static void Meet(Communicator& ranks) {
    double nothing = 0;
    ranks.Sum(std::span(&nothing, 1));
  }

  bool Agrees(const Manifest& manifest) const {
    return manifest.options == wanted_.options && manifest.fingerprints == wanted_.fingerprints &&
           manifest.inputs == wanted_.inputs;
  }

  // The manifest of `out`, when it is the database that would be built.
  std::optional<Manifest> FindFinished(const std::vector<fs::path>& inputs, const fs::path& out) {
    if (!Manifest::Exists(out)) return std::nullopt;
    RefuseChanged(out);
    Manifest found = Manifest::Load(out, kKind);
    const bool from_corpus = IsCorpusFolder(inputs);
    if (!from_corpus && !FindCorpus(inputs, tokenizer_, out / kCorpusFolder, options_.corpus)) return std::nullopt;
    wanted_.AddInput(kCorpusFolder, from_corpus ? inputs[0] : out / kCorpusFolder);
    if (!Agrees(found)) return std::nullopt;
    if (!found.HasFiles(out)) return std::nullopt;
    spdlog::info("{}: holds this database already ({} chunks); nothing to do", out.string(),
                 found.counts.value("chunks", uint64_t{0}));
    return found;
  }

  // Builds the corpus in the staging folder, where one was not given.
  void MakeCorpus(const std::vector<fs::path>& inputs) const {
    if (IsCorpusFolder(inputs)) return;
    BuildCorpus(inputs, tokenizer_, folder_ / kCorpusFolder, options_.corpus, pool_);
    Step("corpus");
  }

  // The folder of the corpus: the one that was given, or the one in the staging folder.
  fs::path CorpusFolder(const std::vector<fs::path>& inputs) const {
    if (IsCorpusFolder(inputs)) return inputs[0];
    fs::path folder = folder_ / kCorpusFolder;
    if (Manifest::Exists(folder)) return folder;
    Throw(ErrorCode::kNotFound, "{}: is not there yet; run retro index build --stage corpus first", folder.string());
  }

  // Whether an earlier run came to its end, save for putting the folder in place.
  bool ResumeFinished() const { return Manifest::Exists(folder_) && Agrees(Manifest::Load(folder_, kKind)); }

  void Step(std::string_view name) const {
    if (options_.on_step) options_.on_step(name);
  }

  void RunStages(const fs::path& corpus_folder, Communicator& ranks) {
    const BuildShare share{static_cast<uint32_t>(ranks.rank()), static_cast<uint32_t>(ranks.num_ranks())};
    const bool leads = ranks.rank() == 0;
    if (leads) RemoveAll(folder_ / kManifestFile);  // of a finished build with other options
    BuildJob job(folder_, corpus_folder, tokenizer_, embedder_, options_, pool_);
    job.MakeChunks(share);
    job.Embed(share);
    Meet(ranks);
    job.Train(ranks);
    Meet(ranks);
    job.Encode(share);
    Meet(ranks);
    if (leads) WriteManifest(job);
    Meet(ranks);
  }

  // The manifest is complete before anything that it does not name is removed, so a kill here loses nothing.
  void WriteManifest(BuildJob& job) const {
    Manifest manifest = wanted_;
    job.Merge(manifest);
    manifest.stages = {"chunks", "embeddings", "index", "recall", "manifest"};
    manifest.counts["made_with"] = options_.made_with;
    manifest.Save(folder_);
    Step("manifest");
  }

  void RemoveLeftovers(const Manifest& finished) const {
    RemoveAll(folder_ / kBlocksFolder);
    const bool keeps_half = options_.embedding_precision == EmbeddingPrecision::kHalf;
    if (!finished.counts.at("index").at("rerank") || !keeps_half) RemoveAll(folder_ / kEmbeddingsFolder);
  }

  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  const IndexOptions& options_;
  ThreadPool& pool_;
  fs::path folder_;  // the staging folder
  Manifest wanted_;  // kind, inputs, options, fingerprints: known at the start
};

}  // namespace

Manifest BuildIndex(const std::vector<fs::path>& inputs, const Tokenizer& tokenizer, const Embedder& embedder,
                    const fs::path& out, const IndexOptions& options, ThreadPool& pool, Communicator& ranks) {
  CheckOptions(options);
  const MappedMemoryLimit limit(options.memory_bytes / kMappedShare);
  return IndexBuilder(tokenizer, embedder, options, pool).Build(inputs, out, ranks);
}

Manifest BuildIndex(const std::vector<fs::path>& inputs, const Tokenizer& tokenizer, const Embedder& embedder,
                    const fs::path& out, const IndexOptions& options, ThreadPool& pool) {
  SingleProcess alone;
  return BuildIndex(inputs, tokenizer, embedder, out, options, pool, alone);
}

void BuildIndexStage(const std::vector<fs::path>& inputs, const Tokenizer& tokenizer, const Embedder& embedder,
                     const fs::path& out, const IndexOptions& options, BuildStage stage, const BuildShare& share,
                     ThreadPool& pool) {
  CheckOptions(options);
  if (share.index >= share.count) {
    Throw(ErrorCode::kInvalidArgument, "share {} of {}: the first is 0, the last {}", share.index, share.count,
          static_cast<int64_t>(share.count) - 1);
  }
  const MappedMemoryLimit limit(options.memory_bytes / kMappedShare);
  IndexBuilder(tokenizer, embedder, options, pool).RunStage(inputs, out, stage, share);
}

}  // namespace retro
