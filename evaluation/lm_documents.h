// Held-out documents, tokenized and cut into the chunks by which they are judged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "datasets/tokenizer.h"

namespace retro {

// tokens[0] is never scored: it is the prefix token, or, in a vocabulary that has none, the text's own first token. Its
// bytes then count nowhere. Chunk u is tokens [u * chunk_len, (u + 1) * chunk_len), the prefix included: the very
// chunks for which a decoder wants neighbours.
struct LmDocument {
  std::string id, source;
  std::vector<TokenId> tokens;
  bool has_prefix = false;
  uint64_t words = 0;                 // of the original text: runs without white space
  uint64_t bytes = 0;                 // of the original text
  std::vector<uint64_t> chunk_bytes;  // for each chunk; their sum is `bytes`

  uint64_t num_scored() const { return tokens.size() - 1; }
  size_t num_chunks() const { return chunk_bytes.size(); }
};

struct LmDocumentOptions {
  std::string part = "valid";  // of corpus folders
  uint32_t chunk_len = 64;
  uint64_t max_documents = 0;        // 0: all
  uint64_t max_document_tokens = 0;  // of longer documents only the beginning counts; 0: whole documents
  uint64_t seed = 0;
};

struct LmDocuments {
  std::vector<LmDocument> documents;
  uint64_t num_empty = 0;  // documents in which no token can be scored: left out
  uint64_t num_cut = 0;    // by max_document_tokens
  std::string prefix;      // "bos", "eos", or "none"
  // "2 lines with bad JSON …": what the reader skipped; empty when nothing.
  std::string problems;
};

// `inputs`: documents as datasets/document.h reads them, or corpus folders (`retro corpus build`), whose tokens must be
// of this tokenizer; their bytes and words are those of the text that the tokens stand for. The prefix token is BOS,
// else EOS. A document's source is the one that it names, else its file, else (corpus) the beginning of its id up to
// "/". Documents come in the order of a hash of seed and id, so the first max_documents, and any first ones, are a
// sample of them all that does not change with the order of the input. Throws Error(kInvalidArgument) when no document
// is left and on a corpus of another tokenizer; what the readers throw.
LmDocuments ReadLmDocuments(const std::vector<std::filesystem::path>& inputs, const Tokenizer& tokenizer,
                            const LmDocumentOptions& options);

// Runs without white space (Unicode's).
uint64_t CountWords(std::string_view text);

// The tokens of chunk u that are text. REQUIRES: u < document.num_chunks()
std::span<const TokenId> ChunkText(const LmDocument& document, size_t u, uint32_t chunk_len);

}  // namespace retro
