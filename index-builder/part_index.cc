#include "index-builder/part_index.h"

#include "core/error.h"
#include "core/file_tree.h"
#include "core/log.h"
#include "index-builder/code_file.h"
#include "index-builder/code_stage.h"
#include "index-builder/recall.h"
#include "index-builder/recall_queries.h"
#include "index-builder/vector_stage.h"
#include "retriever/chunk_store.h"
#include "retriever/database_files.h"
#include "retriever/half_embeddings.h"
#include "retriever/int8_embeddings.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kCodesFolder = "codes";  // until the index is merged from them

void LogRecall(const RecallCurve& curve, double target) {
  const SearchOptions& search = curve.chosen.search;
  spdlog::info("recall@10 {:.3f} with nprobe {} and rerank_factor {}", curve.chosen.recall, search.nprobe,
               search.rerank_factor);
  if (curve.chosen.recall < target) {
    spdlog::warn("recall@10 stays below {}: keep the embeddings, or choose an index with larger codes", target);
  }
}

}  // namespace

const char* KeepEmbeddings(const fs::path& folder, int64_t dim, const IndexOptions& options) {
  const char* name = EmbeddingsFolderName(options.embedding_precision);
  if (options.embedding_precision == EmbeddingPrecision::kInt8) {
    WriteInt8Embeddings(HalfEmbeddings(folder / kEmbeddingsFolder, dim), folder / name);
  }
  return name;
}

nlohmann::json OptionsToJson(const IndexOptions& options) {
  nlohmann::json json = {{"chunk_len", options.chunk_len},
                         {"factory", options.factory},
                         {"keep_embeddings", nullptr},
                         {"embed_title", options.embed_title},
                         {"block_chunks", options.block_chunks},
                         {"training_chunks", options.training_chunks},
                         {"recall_queries", options.recall_queries},
                         {"target_recall", options.target_recall},
                         {"seed", options.seed}};
  // Left out by default, so that older databases keep agreeing.
  if (options.lexical) json["lexical"] = true;
  if (options.embedding_precision == EmbeddingPrecision::kInt8) json["embedding_precision"] = "int8";
  if (options.keep_embeddings.has_value()) json["keep_embeddings"] = *options.keep_embeddings;
  return json;
}

IndexOptions OptionsFromJson(const fs::path& folder, const nlohmann::json& json) {
  IndexOptions options;
  try {
    options.chunk_len = json.value("chunk_len", options.chunk_len);
    options.factory = json.value("factory", options.factory);
    const nlohmann::json keep = json.value("keep_embeddings", nlohmann::json());
    if (!keep.is_null()) options.keep_embeddings = keep.get<bool>();
    options.embed_title = json.value("embed_title", options.embed_title);
    options.block_chunks = json.value("block_chunks", options.block_chunks);
    options.training_chunks = json.value("training_chunks", options.training_chunks);
    options.recall_queries = json.value("recall_queries", options.recall_queries);
    options.target_recall = json.value("target_recall", options.target_recall);
    options.seed = json.value("seed", options.seed);
    options.lexical = json.value("lexical", options.lexical);
    if (json.value("embedding_precision", "") == "int8") options.embedding_precision = EmbeddingPrecision::kInt8;
  } catch (const nlohmann::json::exception& error) {
    Throw(ErrorCode::kCorruption, "{}: the manifest's options cannot be read ({}); restore the database from a copy",
          folder.string(), error.what());
  }
  return options;
}

nlohmann::json Fingerprints(const Tokenizer& tokenizer, const Embedder& embedder, const IndexOptions& options) {
  nlohmann::json json = {{"tokenizer", tokenizer.fingerprint()},
                         {"vocab_size", tokenizer.vocab_size()},
                         {"embedder", embedder.fingerprint()},
                         {"dim", embedder.dim()},
                         {"chunk_len", options.chunk_len},
                         {"embed_title", options.embed_title},
                         {"metric", "L2"}};
  // Left out by default, so that older databases keep agreeing.
  if (embedder.precision() != EncoderPrecision::kFp32) {
    json["embed_precision"] = EncoderPrecisionName(embedder.precision());
  }
  return json;
}

VectorStageOptions VectorOptions(uint64_t num_vectors, int64_t dim, const IndexOptions& options) {
  return {.factory = options.factory.empty() ? VectorIndex::ChooseFactory(num_vectors, dim) : options.factory,
          .training_chunks = options.training_chunks,
          .seed = options.seed,
          .memory_bytes = options.memory_bytes};
}

bool KeepsEmbeddings(const std::string& factory, const IndexOptions& options) {
  const bool keep = options.keep_embeddings.value_or(factory.find("PQ") != std::string::npos);
  spdlog::info("index {}: embeddings are {}", factory, keep ? "kept, to re-rank what it finds exactly" : "not kept");
  return keep;
}

nlohmann::json WritePartIndex(const fs::path& folder, int64_t dim, const IndexOptions& options, ThreadPool& pool) {
  const HalfEmbeddings embeddings(folder / kEmbeddingsFolder, dim);
  const VectorStageOptions vectors = VectorOptions(embeddings.size(), dim, options);
  const VectorIndex untrained(dim, vectors.factory);
  if (untrained.NeedsTraining() && untrained.code_bytes() > 0) {
    SingleProcess alone;
    VectorIndex trained = TrainVectorIndex(embeddings, vectors, pool, alone);
    const fs::path codes = folder / kCodesFolder;
    MergeCodeFiles(trained, EncodeRows(trained, embeddings, codes, pool), vectors.merge_bytes(), folder / kIndexFile);
    RemoveAll(codes);
  } else {
    BuildVectorIndex(embeddings, vectors, pool).index.Save(folder / kIndexFile);
  }
  return {{"factory", vectors.factory},
          {"training_vectors", NumTrainingVectors(untrained, embeddings.size(), vectors)},
          {"rerank", KeepsEmbeddings(vectors.factory, options)}};
}

void MeasurePartIndex(const fs::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                      const IndexOptions& options, nlohmann::json& figures, ThreadPool& pool) {
  const VectorIndex index = VectorIndex::Load(folder / kIndexFile);
  if (index.factory() == "Flat") {
    figures.update({{"nprobe", 0}, {"rerank_factor", 1}, {"recall_at_10", 1.0}, {"recall_measured", false}});
    return;
  }
  const HalfEmbeddings embeddings(folder / kEmbeddingsFolder, embedder.dim());
  const ChunkStore chunks(folder / kChunksFolder);
  const std::vector<float> queries =
      MakeRecallQueries(chunks, tokenizer, embedder, {.count = options.recall_queries, .seed = options.seed + 1}, pool);
  const RecallCurve curve =
      MeasureRecall(index, embeddings, queries, figures.at("rerank"), options.target_recall, pool);
  figures.update({{"nprobe", curve.chosen.search.nprobe},
                  {"rerank_factor", curve.chosen.search.rerank_factor},
                  {"recall_at_10", curve.chosen.recall},
                  {"recall_measured", true},
                  {"recall_queries", queries.size() / static_cast<size_t>(embedder.dim())},
                  {"recall_query_kind", "the first half of the tokens of a randomly drawn chunk"},
                  {"query_us", curve.query_us},
                  {"recall_curve", curve.ToJson()}});
  LogRecall(curve, options.target_recall);
}

}  // namespace retro
