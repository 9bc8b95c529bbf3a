// The stages of a build on its staging folder, once there is a corpus. Internal to index-builder.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "index-builder/build_block.h"
#include "index-builder/chunk_stage.h"
#include "index-builder/corpus_chunks.h"
#include "index-builder/index_builder.h"
#include "index-builder/vector_stage.h"

namespace retro {

// One thread at a time; several processes may work on one folder, each with an object of its own. Each method does
// nothing when its work is done already. Throws Error as BuildIndex and BuildIndexStage say.
class BuildJob {
 public:
  // Throws Error(kInvalidArgument) when the corpus is of another tokenizer or has no chunk. All must outlive it.
  BuildJob(const std::filesystem::path& folder, const std::filesystem::path& corpus_folder, const Tokenizer& tokenizer,
           const Embedder& embedder, const IndexOptions& options, ThreadPool& pool);

  void MakeChunks(const BuildShare& share);
  void Embed(const BuildShare& share);
  // By all ranks together.
  void Train(Communicator& ranks);
  void Encode(const BuildShare& share);
  // Store, index and recall, under the names that they have in the database; adds counts and files to `manifest`.
  void Merge(Manifest& manifest);

 private:
  std::vector<BuildBlock> EmbeddingBlocks(const BuildShare& share);
  BuildBlock TrainedBlock() const;
  BuildBlock MakeIndex();
  BuildBlock Measure(const BuildBlock& store, const BuildBlock& index);
  void AddExtras(bool keeps_embeddings, Manifest& manifest);
  void PutInPlace(const BuildBlock& store, const BuildBlock& index);
  HalfEmbeddings OpenEmbeddings();
  ChunkStageOptions ChunkOptions() const;
  nlohmann::json Seconds(const BuildBlock& store, const BuildBlock& index, const BuildBlock& recall);
  void Step(std::string_view name) const;

  std::filesystem::path folder_, blocks_folder_;
  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  const IndexOptions& options_;
  ThreadPool& pool_;
  Corpus corpus_;
  std::string corpus_hash_;
  CorpusChunks chunks_;
  VectorStageOptions vectors_;
  uint64_t training_vectors_ = 0, code_training_vectors_ = 0;
  bool has_codes_ = false;                     // whether the index is trained, filled and merged in blocks
  std::optional<BuildShare> described_share_;  // whose blocks these are, so that texts are hashed once
  std::vector<BuildBlock> described_;
};

}  // namespace retro
