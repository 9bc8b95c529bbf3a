// A tokenized corpus on disk: shards of tokens with their documents, mapped for reading. Layout: docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/manifest.h"
#include "datasets/document.h"
#include "datasets/near_duplicates.h"
#include "datasets/tokenizer.h"

namespace retro {

class ThreadPool;

struct CorpusOptions {
  // A document goes to the part whose interval holds the hash of its id: stable under reordering and additions.
  double valid_fraction = 0.0;
  double test_fraction = 0.0;
  uint64_t seed = 0;
  uint64_t max_shard_tokens = uint64_t{1} << 28;
  size_t memory_bytes = size_t{256} << 20;  // bound on documents held at once
  bool append_eos = false;                  // one end-of-text token after each document (for training)
  enum class Duplicates { kSkip, kStop } on_duplicate_id = Duplicates::kSkip;
  // Where set, documents that nearly repeat an earlier one are left out; the inputs are read twice for it.
  std::optional<NearDuplicateOptions> near_duplicates = {};
  ReaderOptions reader = {};
};

// Reads documents, encodes them in parallel and writes the shards and the manifest of the folder `out`. When `out`
// already holds this very corpus (inputs, options, tokenizer), it says so and does nothing. The same input gives the
// same bytes for any number of threads. Throws Error; a half-written folder is never taken for a corpus.
Manifest BuildCorpus(const std::vector<std::filesystem::path>& inputs, const Tokenizer& tokenizer,
                     const std::filesystem::path& out, const CorpusOptions& options, ThreadPool& pool);

// The manifest of the corpus in `out` when BuildCorpus with the same arguments would find nothing to do. Reads the
// inputs whole. Throws as OpenDocuments and Manifest::Load do.
std::optional<Manifest> FindCorpus(const std::vector<std::filesystem::path>& inputs, const Tokenizer& tokenizer,
                                   const std::filesystem::path& out, const CorpusOptions& options);

// What is known of a document, without its text.
struct DocumentInfo {
  std::string id, title, source, url, licence;
  std::string date = {};
};
DocumentInfo InfoOf(const Document& document);

// A corpus opened for reading: its documents in order, over all shards of one part ("train", "valid", "test").
// Const methods are safe from many threads; spans live as long as the corpus.
class Corpus {
 public:
  // Verifies manifest and file sizes. Throws Error(kNotFound, kCorruption).
  explicit Corpus(const std::filesystem::path& folder, const std::string& part = "train");
  ~Corpus();
  Corpus(Corpus&&) noexcept;

  const Manifest& manifest() const;
  uint64_t num_documents() const;
  uint64_t num_tokens() const;

  // Appends the tokens of a document to `tokens` (widened from 16 bits where the shard stores 16).
  void AppendTokens(DocumentIndex document, std::vector<TokenId>& tokens) const;
  // Tokens [begin, begin + out.size()) of a document. Throws Error(kNotFound) when the document ends before that.
  void ReadTokens(DocumentIndex document, uint64_t begin, std::span<TokenId> out) const;
  uint64_t DocumentLength(DocumentIndex document) const;  // in tokens
  DocumentInfo Info(DocumentIndex document) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace retro
