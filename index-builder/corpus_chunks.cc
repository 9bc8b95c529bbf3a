#include "index-builder/corpus_chunks.h"

#include <algorithm>

#include "core/error.h"
#include "datasets/chunker.h"

namespace retro {

CorpusChunks::CorpusChunks(const Corpus& corpus, uint32_t chunk_len) : corpus_(corpus), chunk_len_(chunk_len) {
  first_chunks_.reserve(corpus.num_documents() + 1);
  first_chunks_.push_back(0);
  for (uint64_t document = 0; document < corpus.num_documents(); ++document) {
    first_chunks_.push_back(first_chunks_.back() + NumChunks(corpus.DocumentLength({document}), chunk_len));
  }
}

ChunkRecord CorpusChunks::Get(ChunkId id) const {
  if (id.value >= num_chunks()) {
    Throw(ErrorCode::kNotFound, "chunk {}: the corpus has {}", id.value, num_chunks());
  }
  const auto next = std::upper_bound(first_chunks_.begin(), first_chunks_.end(), id.value);
  const DocumentIndex document{static_cast<uint64_t>(next - first_chunks_.begin()) - 1};
  const uint64_t ordinal = id.value - first_chunks_[document.value];
  const ChunkSpan span = ChunkAt(corpus_.DocumentLength(document), chunk_len_, ordinal);
  ChunkRecord record{id, document, span.begin, std::vector<TokenId>(span.length)};
  corpus_.ReadTokens(document, span.begin, record.tokens);
  return record;
}

void CorpusChunks::ReadRange(ChunkId first, uint64_t count, std::vector<ChunkRecord>& out) const {
  out.clear();
  for (uint64_t chunk = first.value; chunk < first.value + count; ++chunk) out.push_back(Get({chunk}));
}

void CorpusChunks::GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out,
                                 std::span<uint32_t> lengths) const {
  for (size_t i = 0; i < ids.size(); ++i) {
    const ChunkRecord chunk = Get(ids[i]);
    const uint64_t left = corpus_.DocumentLength(chunk.document) - chunk.position;
    lengths[i] = static_cast<uint32_t>(std::min<uint64_t>(left, 2 * uint64_t{chunk_len_}));
    corpus_.ReadTokens(chunk.document, chunk.position, out.subspan(i * 2 * chunk_len_, lengths[i]));
  }
}

}  // namespace retro
