// A corpus becomes a retrieval database: the one door to this folder. The work is done in OUT.building as a chain of
// blocks, each named by a hash of all that it is made of (index-builder/build_block.h), and takes the place of OUT in
// one step at the end. A build that was killed or interrupted goes on where it was when the same command is given
// again; with another option or input only the blocks that depend on it are made again, and the log says which and why.
//
//   documents -> corpus -> chunk blocks  -> chunk store
//                       -> embedding blocks -> trained index -> code blocks -> index
//
// Any process that sees the folder can make any block. The bytes are the same for one thread, several, several workers
// and several ranks, on processors of one kind. What lies in OUT at the end:
//
//   chunks/            the chunks' tokens and documents (retriever/chunk_store.h)
//   embeddings/        block-00000.embeddings ..., kept when asked for or when the index needs them for re-ranking
//   embeddings8/       instead of these, when 8 bits are asked for
//   vectors.index      row i is ChunkId i
//   lexical/           when asked for: the words of the chunks (retriever/lexical_index.h)
//   corpus/            when the input was documents: the tokenized corpus, with a manifest of its own
//   manifest.json      kind "retrieval database"; docs/formats.md has its fields
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/communicator.h"
#include "core/manifest.h"
#include "datasets/corpus.h"
#include "datasets/tokenizer.h"
#include "index-builder/build_block.h"
#include "retriever/embedder.h"
#include "retriever/stored_embeddings.h"

namespace retro {

class ThreadPool;

struct IndexOptions {
  uint32_t chunk_len = 64;   // tokens; what the embedder cannot take of a longer chunk's text it does not see
  std::string factory = {};  // FAISS index string; empty: VectorIndex::ChooseFactory by the number of chunks
  // Keep the embeddings in half precision (2 * dim bytes a chunk) to re-rank what the index finds exactly. Not set:
  // kept for an index of product-quantized codes, which finds under half of the true neighbours without them.
  std::optional<bool> keep_embeddings = {};
  // How they are kept: in 8 bits they take half the disk (retriever/int8_embeddings.h).
  EmbeddingPrecision embedding_precision = EmbeddingPrecision::kHalf;
  bool embed_title = false;  // the document's title before the text that is embedded (the RETRO paper does not)
  bool lexical = false;      // make a lexical index as well (retriever/lexical_index.h)
  // What a stage may hold besides the program, the encoder and, while recall is measured, the index: the training
  // sample, blocks in the making, lists that are merged, and pages of mapped files.
  size_t memory_bytes = size_t{1} << 30;
  uint32_t block_chunks = 4096;  // of embeddings and codes: the unit of work, and what a kill can lose
  uint64_t training_chunks = 0;  // sampled to train the index; 0: as many as it wants. memory_bytes bounds both
  uint32_t recall_queries = 0;   // held-out queries to measure recall with; 0: one per hundred chunks, 100 to 1000
  double target_recall = 0.95;   // of the 10 nearest; the cheapest search setting that reaches it becomes the default
  uint64_t seed = 0;             // of both samples
  CorpusOptions corpus = {};     // when the input is documents
  // Kept in the manifest as counts.made_with and otherwise not looked at: where the encoder and the tokenizer were.
  std::map<std::string, std::string> made_with = {};
  // Called after each durable step with its name ("corpus", "chunk block 0", "block 3" of embeddings, "trained",
  // "code block 3", "chunks", "index", "recall", "manifest"); what it throws ends the build, as a kill would.
  std::function<void(std::string_view step)> on_step = {};
};

// `inputs`: one folder that BuildCorpus made (its part "train"), or documents as OpenDocuments takes them. When `out`
// holds this very database already, says so and does nothing. Throws Error; then an older database in `out` is whole.
// Error(kUnavailable): interrupted, or another process is building or changing `out`. Error(kInvalidArgument): also
// when the database in `out` was changed since it was built (index-builder/database_updater.h).
//
// `ranks`: the processes that build together, all of which call this with the same arguments and see the folder: each
// makes its share of the blocks, and they find the centroids of the lists together; the first one merges and measures.
// Returns on all when the database is there.
Manifest BuildIndex(const std::vector<std::filesystem::path>& inputs, const Tokenizer& tokenizer,
                    const Embedder& embedder, const std::filesystem::path& out, const IndexOptions& options,
                    ThreadPool& pool, Communicator& ranks);
// By this process alone.
Manifest BuildIndex(const std::vector<std::filesystem::path>& inputs, const Tokenizer& tokenizer,
                    const Embedder& embedder, const std::filesystem::path& out, const IndexOptions& options,
                    ThreadPool& pool);

// What several workers can do at once without knowing of each other. BuildIndex does the rest, and what they left.
enum class BuildStage {
  kCorpus,  // the documents' tokens; by one worker, the others have nothing to do. Inputs that are a corpus need none
  kChunks,  // needs the corpus
  kEmbed,   // needs the corpus
  kTrain,   // needs all blocks of embeddings; by one worker
  kEncode,  // needs the trained index, and the embeddings of the same share
};

// Makes what is missing of a stage in the staging folder of `out`: of blocks, those whose number modulo share.count is
// share.index. Arguments must be those of the BuildIndex that finishes. Throws Error as that does, kUnavailable also
// while BuildIndex works on `out` or when another worker has one of the blocks in hand, and kNotFound when something of
// an earlier stage is missing.
void BuildIndexStage(const std::vector<std::filesystem::path>& inputs, const Tokenizer& tokenizer,
                     const Embedder& embedder, const std::filesystem::path& out, const IndexOptions& options,
                     BuildStage stage, const BuildShare& share, ThreadPool& pool);

}  // namespace retro
