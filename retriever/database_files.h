// Names inside a part of a retrieval database (docs/formats.md).
#pragma once

namespace retro {

inline constexpr const char* kChunksFolder = "chunks";
inline constexpr const char* kCorpusFolder = "corpus";
inline constexpr const char* kEmbeddingsFolder = "embeddings";
inline constexpr const char* kInt8Folder = "embeddings8";
inline constexpr const char* kLexicalFolder = "lexical";
inline constexpr const char* kIndexFile = "vectors.index";

}  // namespace retro
