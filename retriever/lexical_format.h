// The files of a lexical index, FOLDER/terms, blocks, postings and lengths: record files (docs/formats.md, "Lexical
// index"). Internal to retriever.
#pragma once

#include <cstdint>

#include "core/record_file.h"
#include "retriever/lexical_terms.h"

namespace retro {

// A term's chunks lie in so many postings a block, the last block fewer.
constexpr uint64_t kPostingsPerBlock = 128;

// Sorted by term. A term's blocks begin where those of the term before it end.
struct TermRecord {
  LexicalTerm term = 0;
  uint64_t end_block = 0;
  uint64_t num_chunks = 0;  // that have the term
};

// The postings of a block begin where those of the block before it end. A posting is two LEB128 numbers or one: twice
// the chunks that were passed over since the posting before it (since the start, for a term's first), and 1 more where
// the term occurs several times in the chunk; then, in that case, how often beyond twice.
struct BlockRecord {
  uint64_t last_chunk = 0;
  uint64_t end_byte = 0;
  uint32_t max_count = 0;   // the term's highest count in a chunk of the block,
  uint32_t min_length = 0;  // and the least length of one: together a bound on every score
};

constexpr RecordFormat kTermsFormat{.kind = "lexical terms", .record_bytes = sizeof(TermRecord)};
constexpr RecordFormat kBlocksFormat{.kind = "lexical blocks", .record_bytes = sizeof(BlockRecord)};
constexpr RecordFormat kPostingsFormat{.kind = "postings", .record_bytes = 1};
// How many terms each chunk has, repeated ones as often; 65,535 where there are more.
constexpr RecordFormat kLengthsFormat{.kind = "lexical lengths", .record_bytes = sizeof(uint16_t)};

}  // namespace retro
