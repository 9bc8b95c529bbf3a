#include "index-builder/build_job.h"

#include "core/error.h"
#include "core/file_tree.h"
#include "core/hash.h"
#include "index-builder/chunk_stage.h"
#include "index-builder/code_stage.h"
#include "index-builder/embedding_stage.h"
#include "index-builder/lexical_builder.h"
#include "index-builder/part_index.h"
#include "retriever/database_files.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// With the default options 4.2 M tokens: seconds of work, and few table files at a billion tokens.
constexpr uint64_t kEmbeddingBlocksPerChunkBlock = 16;

// Checked before anything of the corpus is read.
Corpus OpenCorpus(const fs::path& folder, const Tokenizer& tokenizer) {
  Corpus corpus(folder);
  const std::string made_with = corpus.manifest().fingerprints.value("tokenizer", "");
  if (made_with == tokenizer.fingerprint()) return corpus;
  Throw(ErrorCode::kInvalidArgument,
        "{}: was made with another tokenizer ({}) than the one given ({}); give that one, or build the corpus again",
        folder.string(), made_with, tokenizer.fingerprint());
}

nlohmann::json LoadCounts(const BuildBlock& block) { return block.Load()->counts; }

double SecondsOf(std::span<const BuildBlock> blocks) {
  double seconds = 0;
  for (const BuildBlock& block : blocks) seconds += LoadCounts(block).at("seconds").get<double>();
  return seconds;
}

// What two builds of one database have in common to the last bit.
nlohmann::json Contents(const Manifest& manifest, const nlohmann::json& chunks) {
  Hasher embeddings;
  for (const auto& [name, file] : manifest.files.items()) {
    if (name.starts_with(std::string(kEmbeddingsFolder) + "/")) embeddings.Update(file.at("xxh3").get<std::string>());
  }
  return {
      {"chunks", chunks}, {"embeddings", embeddings.HexDigest()}, {"index", manifest.files.at(kIndexFile).at("xxh3")}};
}

}  // namespace

BuildJob::BuildJob(const fs::path& folder, const fs::path& corpus_folder, const Tokenizer& tokenizer,
                   const Embedder& embedder, const IndexOptions& options, ThreadPool& pool)
    : folder_(folder),
      blocks_folder_(folder / "blocks"),
      tokenizer_(tokenizer),
      embedder_(embedder),
      options_(options),
      pool_(pool),
      corpus_(OpenCorpus(corpus_folder, tokenizer)),
      corpus_hash_(HashFile(corpus_folder / "manifest.json")),
      chunks_(corpus_, options.chunk_len),
      vectors_(VectorOptions(chunks_.num_chunks(), embedder.dim(), options)) {
  if (chunks_.num_chunks() == 0) {
    Throw(ErrorCode::kInvalidArgument, "{}: its part \"train\" has no chunk; give a corpus with text in that part",
          corpus_folder.string());
  }
  const VectorIndex untrained(embedder.dim(), vectors_.factory);
  training_vectors_ = NumTrainingVectors(untrained, chunks_.num_chunks(), vectors_);
  code_training_vectors_ = NumCodeTrainingVectors(untrained, chunks_.num_chunks(), vectors_);
  has_codes_ = untrained.NeedsTraining() && untrained.code_bytes() > 0;
}

void BuildJob::Step(std::string_view name) const {
  if (options_.on_step) options_.on_step(name);
}

std::vector<BuildBlock> BuildJob::EmbeddingBlocks(const BuildShare& share) {
  if (!described_share_ || *described_share_ != share) {
    described_ = EmbeddingBlocksOf(chunks_, tokenizer_, embedder_, blocks_folder_, share,
                                   {.block_chunks = options_.block_chunks, .embed_title = options_.embed_title});
    described_share_ = share;
  }
  return described_;
}

ChunkStageOptions BuildJob::ChunkOptions() const {
  return {.vocab_size = static_cast<uint32_t>(tokenizer_.vocab_size()),
          .block_chunks = kEmbeddingBlocksPerChunkBlock * options_.block_chunks,
          .on_step = options_.on_step};
}

void BuildJob::MakeChunks(const BuildShare& share) {
  ChunkBlocks(chunks_, blocks_folder_, share, ChunkOptions()).Make();
}

void BuildJob::Embed(const BuildShare& share) {
  EmbedBlocks(chunks_, tokenizer_, embedder_, EmbeddingBlocks(share), share,
              {.block_chunks = options_.block_chunks, .embed_title = options_.embed_title, .on_step = options_.on_step},
              pool_);
}

HalfEmbeddings BuildJob::OpenEmbeddings() {
  std::vector<fs::path> files;
  for (const BuildBlock& block : EmbeddingBlocks(kAllBlocks)) {
    RequireBlock(block, "embed");
    files.push_back(EmbeddingsFile(block));
  }
  return {files, embedder_.dim()};
}

// Of the whole corpus, by the hash of its manifest: the sample may have any row.
BuildBlock BuildJob::TrainedBlock() const {
  return {blocks_folder_,
          "trained",
          0,
          {{"corpus", corpus_hash_},
           {"chunk_len", options_.chunk_len},
           {"embed_title", options_.embed_title},
           {"embedder", EmbeddedBy(embedder_)},
           {"factory", vectors_.factory},
           {"training_vectors", training_vectors_},
           {"code_training_vectors", code_training_vectors_},
           {"iterations", vectors_.iterations},
           {"seed", vectors_.seed}}};
}

void BuildJob::Train(Communicator& ranks) {
  if (!has_codes_) return;
  const BuildBlock trained = TrainedBlock();
  const bool leads = ranks.rank() == 0;
  const bool is_there = leads && MissingBlocks({&trained, 1}, kAllBlocks, "trained index").empty();
  if (FromRankZero(is_there, ranks) != 0) return;
  const HalfEmbeddings embeddings = OpenEmbeddings();
  std::optional<BlockMaker> maker;
  if (leads) maker.emplace(trained);
  const VectorIndex index = TrainVectorIndex(embeddings, vectors_, pool_, ranks);
  if (!leads) return;
  index.Save(maker->folder() / kIndexFile);
  maker->Finish({{"vectors", training_vectors_}});
  Step("trained");
}

void BuildJob::Encode(const BuildShare& share) {
  if (!has_codes_) return;
  const std::vector<BuildBlock> embeddings = EmbeddingBlocks(share);
  RequireBlock(TrainedBlock(), "train");
  const VectorIndex trained = VectorIndex::Load(TrainedBlock().folder() / kIndexFile);
  EncodeBlocks(trained, embeddings, CodeBlocksOf(embeddings, TrainedBlock(), blocks_folder_), share, options_.on_step,
               pool_);
}

BuildBlock BuildJob::MakeIndex() {
  const std::vector<BuildBlock> embeddings = EmbeddingBlocks(kAllBlocks);
  const std::vector<BuildBlock> codes = CodeBlocksOf(embeddings, TrainedBlock(), blocks_folder_);
  const BuildBlock index(
      blocks_folder_, "index", 0,
      {{"trained index", has_codes_ ? TrainedBlock().hash() : vectors_.factory},
       {"rows", HashOf(has_codes_ ? codes : embeddings)},
       {"training", fmt::format("{} vectors, seed {}", training_vectors_, training_vectors_ > 0 ? vectors_.seed : 0)}});
  if (MissingBlocks({&index, 1}, kAllBlocks, "index").empty()) return index;
  BlockMaker maker(index);
  if (has_codes_) {
    RequireBlock(TrainedBlock(), "train");
    VectorIndex trained = VectorIndex::Load(TrainedBlock().folder() / kIndexFile);
    MergeCodes(codes, trained, vectors_.merge_bytes(), maker.folder() / kIndexFile);
  } else {
    BuildVectorIndex(OpenEmbeddings(), vectors_, pool_).index.Save(maker.folder() / kIndexFile);
  }
  maker.Finish({{"vectors", chunks_.num_chunks()}});
  Step("index");
  return index;
}

// Second names for what stays in the database. The blocks keep theirs until the manifest is written.
void BuildJob::PutInPlace(const BuildBlock& store, const BuildBlock& index) {
  for (const char* name : {kChunksFolder, kEmbeddingsFolder, kInt8Folder, kLexicalFolder, kIndexFile}) {
    RemoveAll(folder_ / name);
  }
  LinkTree(store.folder() / kChunksFolder, folder_ / kChunksFolder);
  MakeDirectories(folder_ / kEmbeddingsFolder);
  for (const BuildBlock& block : EmbeddingBlocks(kAllBlocks)) {
    LinkOrCopy(EmbeddingsFile(block), EmbeddingsBlockPath(folder_ / kEmbeddingsFolder, block.number()));
  }
  SyncDirectory(folder_ / kEmbeddingsFolder);
  LinkOrCopy(index.folder() / kIndexFile, folder_ / kIndexFile);
  SyncDirectory(folder_);
}

BuildBlock BuildJob::Measure(const BuildBlock& store, const BuildBlock& index) {
  nlohmann::json figures = {{"factory", vectors_.factory},
                            {"training_vectors", training_vectors_},
                            {"rerank", KeepsEmbeddings(vectors_.factory, options_)}};
  const BuildBlock measured(blocks_folder_, "recall", 0,
                            {{"index", index.hash()},
                             {"chunks", store.hash()},
                             {"factory", vectors_.factory},
                             {"keep_embeddings", figures.at("rerank")},
                             {"recall_queries", options_.recall_queries},
                             {"target_recall", options_.target_recall},
                             {"seed", options_.seed}});
  if (MissingBlocks({&measured, 1}, kAllBlocks, "recall").empty()) return measured;
  BlockMaker maker(measured);
  MeasurePartIndex(folder_, tokenizer_, embedder_, options_, figures, pool_);
  maker.Finish({{"index", figures}});
  Step("recall");
  return measured;
}

void BuildJob::Merge(Manifest& manifest) {
  const BuildBlock store = ChunkBlocks(chunks_, blocks_folder_, kAllBlocks, ChunkOptions()).MakeStore();
  const BuildBlock index = MakeIndex();
  PutInPlace(store, index);
  const BuildBlock recall = Measure(store, index);
  const nlohmann::json figures = LoadCounts(recall).at("index");
  manifest.AddFile(folder_, kChunksFolder);
  manifest.AddFile(folder_, kEmbeddingsFolder);
  manifest.AddFile(folder_, kIndexFile);
  manifest.counts = {{"documents", corpus_.num_documents()},
                     {"tokens", corpus_.num_tokens()},
                     {"chunks", chunks_.num_chunks()},
                     {"index", figures},
                     {"contents", Contents(manifest, LoadCounts(store).at("contents"))},
                     {"seconds", Seconds(store, index, recall)}};
  AddExtras(figures.at("rerank"), manifest);
}

// The form in which the embeddings are kept, if they are, and the words of the chunks.
void BuildJob::AddExtras(bool keeps_embeddings, Manifest& manifest) {
  if (options_.lexical) {
    WriteLexicalIndex(folder_, tokenizer_, options_.memory_bytes, pool_);
    manifest.AddFile(folder_, kLexicalFolder);
    Step("lexical");
  }
  if (keeps_embeddings && options_.embedding_precision == EmbeddingPrecision::kHalf) return;
  std::erase_if(manifest.files.get_ref<nlohmann::json::object_t&>(),
                [](const auto& file) { return file.first.starts_with(std::string(kEmbeddingsFolder) + "/"); });
  if (!keeps_embeddings) return;
  manifest.AddFile(folder_, KeepEmbeddings(folder_, embedder_.dim(), options_));
  Step("int8");
}

// By stage, over all workers.
nlohmann::json BuildJob::Seconds(const BuildBlock& store, const BuildBlock& index, const BuildBlock& recall) {
  const std::vector<BuildBlock> embeddings = EmbeddingBlocks(kAllBlocks);
  nlohmann::json seconds = {{"chunks", LoadCounts(store).at("blocks_seconds").get<double>() + SecondsOf({&store, 1})},
                            {"embeddings", SecondsOf(embeddings)},
                            {"index", SecondsOf({&index, 1})},
                            {"recall", SecondsOf({&recall, 1})}};
  if (!has_codes_) return seconds;
  const BuildBlock trained = TrainedBlock();
  seconds["train"] = SecondsOf({&trained, 1});
  seconds["codes"] = SecondsOf(CodeBlocksOf(embeddings, trained, blocks_folder_));
  return seconds;
}

}  // namespace retro
