#include "index-builder/index_builder.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/staged_folder.h"
#include "core/thread_pool.h"
#include "index-builder/chunk_stage.h"
#include "index-builder/embedding_stage.h"
#include "index-builder/lexical_builder.h"
#include "index-builder/part_index.h"
#include "retriever/chunk_store.h"
#include "retriever/generation.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kKind = "retrieval database";
constexpr const char* kUnfinishedKind = "unfinished retrieval database";
// Inside the staging folder: the manifest of what is done so far.
constexpr const char* kStateFolder = "state";
constexpr const char* kCorpusFolder = "corpus";
constexpr const char* kChunksFolder = "chunks";
constexpr const char* kEmbeddingsFolder = "embeddings";
constexpr const char* kIndexFile = "vectors.index";
constexpr const char* kInt8Folder = "embeddings8";
constexpr const char* kLexicalFolder = "lexical";

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

void RemoveFolder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) ThrowErrno(error.value(), "remove", folder.string());
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

  Manifest Build(const std::vector<fs::path>& inputs, const fs::path& out) {
    if (auto done = FindFinished(inputs, out)) {
      spdlog::info("{}: holds this database already ({} chunks); nothing to do", out.string(),
                   done->counts.value("chunks", uint64_t{0}));
      return *done;
    }
    StagedFolder staged(out, StagedFolder::Unpublished::kKeep);
    folder_ = staged.path();
    const fs::path corpus_folder = PrepareCorpus(inputs);
    wanted_.AddInput(kCorpusFolder, corpus_folder);
    if (!ResumeFinished()) {
      ResumeOrClear();
      RunStages(corpus_folder);
    }
    Manifest finished = Manifest::Load(folder_, kKind);
    RemoveLeftovers(finished);
    staged.Publish();
    return finished;
  }

 private:
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
    return found;
  }

  // The folder of the corpus: the one that was given, or one built in the staging folder.
  fs::path PrepareCorpus(const std::vector<fs::path>& inputs) {
    if (IsCorpusFolder(inputs)) return inputs[0];
    const fs::path folder = folder_ / kCorpusFolder;
    BuildCorpus(inputs, tokenizer_, folder, options_.corpus, pool_);
    Step("corpus");
    return folder;
  }

  // Whether an earlier run came to its end, save for putting the folder in place.
  bool ResumeFinished() const { return Manifest::Exists(folder_) && Agrees(Manifest::Load(folder_, kKind)); }

  void ResumeOrClear() {
    const fs::path state = folder_ / kStateFolder;
    if (Manifest::Exists(state)) {
      state_ = Manifest::Load(state, kUnfinishedKind);
      if (Agrees(state_)) {
        spdlog::info("{}: going on with the build that was left there", folder_.string());
        return;
      }
    }
    for (const char* name :
         {kChunksFolder, kEmbeddingsFolder, kInt8Folder, kIndexFile, kLexicalFolder, kStateFolder, "manifest.json"}) {
      RemoveFolder(folder_ / name);
    }
    MakeDirectories(state);
    state_ = wanted_;
    state_.kind = kUnfinishedKind;
    state_.Save(state);
  }

  // Runs `work` unless an earlier run did; what it noted in state_ is saved with it.
  template <typename Work>
  void Stage(const std::string& name, Work&& work) {
    if (state_.HasStage(name)) return;
    ThrowIfInterrupted();
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    state_.counts["seconds"][name] = taken.count();
    state_.stages.push_back(name);
    state_.Save(folder_ / kStateFolder);
    Step(name);
  }

  void Step(std::string_view name) const {
    if (options_.on_step) options_.on_step(name);
  }

  void RunStages(const fs::path& corpus_folder) {
    Stage("chunks", [&] { WriteChunkStore(corpus_folder); });
    Stage("embeddings", [&] {
      EmbedStore(
          ChunkStore(folder_ / kChunksFolder), tokenizer_, embedder_, folder_ / kEmbeddingsFolder,
          {.block_chunks = options_.block_chunks, .embed_title = options_.embed_title, .on_step = options_.on_step},
          pool_);
    });
    Stage("index", [&] { WriteIndex(); });
    Stage("recall", [&] { Recall(); });
    if (KeepsInt8()) Stage("int8", [&] { KeepEmbeddings(folder_, embedder_.dim(), options_); });
    if (options_.lexical) {
      Stage("lexical", [&] { WriteLexicalIndex(folder_, tokenizer_, options_.memory_bytes, pool_); });
    }
    WriteManifest();
  }

  void WriteChunkStore(const fs::path& corpus_folder) {
    const Corpus corpus(corpus_folder);
    if (corpus.manifest().fingerprints.value("tokenizer", "") != tokenizer_.fingerprint()) {
      Throw(
          ErrorCode::kInvalidArgument,
          "{}: was made with another tokenizer ({}) than the one given ({}); give that one, or build the corpus again",
          corpus_folder.string(), corpus.manifest().fingerprints.value("tokenizer", ""), tokenizer_.fingerprint());
    }
    const uint64_t chunks = WriteChunks(corpus, folder_ / kChunksFolder, options_.chunk_len,
                                        static_cast<uint32_t>(tokenizer_.vocab_size()));
    if (chunks == 0) {
      Throw(ErrorCode::kInvalidArgument, "{}: its part \"train\" has no chunk; give a corpus with text in that part",
            corpus_folder.string());
    }
    state_.counts["documents"] = corpus.num_documents();
    state_.counts["tokens"] = corpus.num_tokens();
    state_.counts["chunks"] = chunks;
  }

  bool KeepsInt8() const {
    return state_.counts.at("index").at("rerank") && options_.embedding_precision == EmbeddingPrecision::kInt8;
  }

  void WriteIndex() {
    state_.counts["index"] = WritePartIndex(folder_, embedder_.dim(), options_);
    state_.AddFile(folder_, kIndexFile);
  }

  void Recall() {
    state_.VerifyFiles(folder_, Manifest::Check::kChecksums);
    MeasurePartIndex(folder_, tokenizer_, embedder_, options_, state_.counts["index"], pool_);
  }

  // The manifest is complete before anything that it does not name is removed, so a kill here loses nothing.
  void WriteManifest() {
    Manifest manifest = state_;
    manifest.kind = kKind;
    manifest.stages.push_back("manifest");
    manifest.counts["made_with"] = options_.made_with;
    manifest.AddFile(folder_, kChunksFolder);
    if (manifest.counts["index"]["rerank"]) {
      manifest.AddFile(folder_, EmbeddingsFolderName(options_.embedding_precision));
    }
    if (options_.lexical) manifest.AddFile(folder_, kLexicalFolder);
    manifest.Save(folder_);
    Step("manifest");
  }

  void RemoveLeftovers(const Manifest& finished) const {
    RemoveFolder(folder_ / kStateFolder);
    const bool keeps_half = options_.embedding_precision == EmbeddingPrecision::kHalf;
    if (!finished.counts.at("index").at("rerank") || !keeps_half) RemoveFolder(folder_ / kEmbeddingsFolder);
  }

  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  const IndexOptions& options_;
  ThreadPool& pool_;
  fs::path folder_;  // the staging folder
  Manifest wanted_;  // kind, inputs, options, fingerprints: known at the start
  Manifest state_;   // what is done so far
};

}  // namespace

Manifest BuildIndex(const std::vector<fs::path>& inputs, const Tokenizer& tokenizer, const Embedder& embedder,
                    const fs::path& out, const IndexOptions& options, ThreadPool& pool) {
  CheckOptions(options);
  return IndexBuilder(tokenizer, embedder, options, pool).Build(inputs, out);
}

}  // namespace retro
