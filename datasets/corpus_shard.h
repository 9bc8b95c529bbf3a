// One shard of a tokenized corpus: three record files that BuildCorpus writes and Corpus maps. Layout: docs/formats.md.
//   shard-00000.tokens     the documents' tokens, one after the other, 16 or 32 bits each
//   shard-00000.documents  a DocumentEnd for each document
//   shard-00000.info       the documents' DocumentInfo, as bytes
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/record_file.h"
#include "datasets/corpus.h"

namespace retro {

// Where a document ends in its shard; it begins where the one before it ends.
struct DocumentEnd {
  uint64_t tokens = 0;
  uint64_t info_bytes = 0;
};

// "shard-00007" + extension, below the folder of its part.
std::filesystem::path ShardPath(const std::filesystem::path& part_folder, uint64_t shard, std::string_view extension);

// 16 bits hold every token of a vocabulary of up to 65536.
constexpr bool FitsIn16Bits(uint64_t vocab_size) { return vocab_size <= 65536; }

// One thread at a time. Without Finish() no file appears.
class ShardWriter {
 public:
  ShardWriter(const std::filesystem::path& part_folder, uint64_t shard, uint64_t vocab_size);
  // Throws Error(kIo), and kInternal when a token is not below vocab_size.
  void Append(const DocumentInfo& info, std::span<const TokenId> tokens);
  void Finish();

  uint64_t num_tokens() const { return end_.tokens; }
  uint64_t num_documents() const { return documents_.num_records(); }

 private:
  uint64_t vocab_size_;
  RecordFileWriter tokens_, documents_, info_;
  DocumentEnd end_;
  std::vector<uint16_t> narrow_;
  std::string info_bytes_;
};

// Const methods are safe from many threads.
class Shard {
 public:
  // Throws Error(kNotFound, kCorruption) naming the file.
  Shard(const std::filesystem::path& part_folder, uint64_t shard, uint64_t vocab_size);

  uint64_t num_documents() const { return ends_.size(); }
  uint64_t num_tokens() const { return tokens_.num_records(); }

  // REQUIRES: document < num_documents(). Throw Error(kCorruption) when the document's own numbers disagree.
  uint64_t DocumentLength(uint64_t document) const;
  void AppendTokens(uint64_t document, std::vector<TokenId>& tokens) const;
  // REQUIRES: begin + out.size() <= DocumentLength(document)
  void ReadTokens(uint64_t document, uint64_t begin, std::span<TokenId> out) const;
  DocumentInfo Info(uint64_t document) const;

 private:
  // The ends of the document before and of this one, checked against the files' sizes.
  std::pair<DocumentEnd, DocumentEnd> Bounds(uint64_t document) const;

  std::filesystem::path path_;  // of the documents file, for messages
  bool narrow_;
  RecordFile tokens_, documents_, info_;
  std::span<const DocumentEnd> ends_;
};

}  // namespace retro
