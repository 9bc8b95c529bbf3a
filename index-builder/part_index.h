// The vector index of one part of a database, from its embeddings, with what there is to say about it in the manifest:
// what a build and a merge of parts have in common.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "index-builder/index_builder.h"
#include "index-builder/vector_stage.h"

namespace retro {

// What the bytes of a part depend on, besides its inputs, as its manifest keeps it; and back again.
nlohmann::json OptionsToJson(const IndexOptions& options);
// What is missing keeps its default. Throws Error(kCorruption) when something is of another kind; `folder` is for the
// message.
IndexOptions OptionsFromJson(const std::filesystem::path& folder, const nlohmann::json& options);

// Fingerprints of all that is built with these.
nlohmann::json Fingerprints(const Tokenizer& tokenizer, const Embedder& embedder, const IndexOptions& options);

// The index string for so many vectors, and what an index of it is built with.
VectorStageOptions VectorOptions(uint64_t num_vectors, int64_t dim, const IndexOptions& options);
// Whether the embeddings stay in the database, to re-rank what an index of this string finds. Logs it.
bool KeepsEmbeddings(const std::string& factory, const IndexOptions& options);

// Writes FOLDER/vectors.index from FOLDER/embeddings and returns the beginning of counts.index: factory,
// training_vectors, rerank. Throws Error as BuildVectorIndex does, kIo.
nlohmann::json WritePartIndex(const std::filesystem::path& folder, int64_t dim, const IndexOptions& options,
                              ThreadPool& pool);

// Puts FOLDER/embeddings into the form in which they are kept, when a part is built but for that, and returns the name
// of the folder that has it. Throws Error(kIo), kUnavailable when interrupted.
const char* KeepEmbeddings(const std::filesystem::path& folder, int64_t dim, const IndexOptions& options);

// Measures the search and adds the setting that reaches options.target_recall to `figures`, what WritePartIndex
// returned. Needs FOLDER/chunks and FOLDER/embeddings. REQUIRES: the checksum of vectors.index was verified
void MeasurePartIndex(const std::filesystem::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                      const IndexOptions& options, nlohmann::json& figures, ThreadPool& pool);

}  // namespace retro
