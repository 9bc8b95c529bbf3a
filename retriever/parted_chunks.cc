#include "retriever/parted_chunks.h"

#include <algorithm>

#include "core/error.h"
#include "retriever/database_part.h"

namespace retro {
namespace {

// A store that keeps the claim on its part's files for as long as it lives.
struct HeldChunks {
  explicit HeldChunks(const GenerationPart& part)
      : files(part, Manifest::Check::kChecksums), chunks(files.chunks_folder()) {}

  PartFiles files;
  ChunkStore chunks;
};

}  // namespace

RemovedChunks::RemovedChunks(std::span<const RemovedDocument> removed, size_t part) {
  for (const RemovedDocument& document : removed) {
    if (document.part != part || document.num_chunks == 0) continue;
    ranges_.emplace_back(document.first_chunk, document.first_chunk + document.num_chunks);
    count_ += document.num_chunks;
  }
  std::ranges::sort(ranges_);
}

bool RemovedChunks::Contains(uint64_t chunk) const {
  const auto next = std::ranges::upper_bound(ranges_, chunk, {}, &decltype(ranges_)::value_type::first);
  return next != ranges_.begin() && chunk < std::prev(next)->second;
}

PartedChunks::PartedChunks(std::vector<Part> parts) : parts_(std::move(parts)), first_chunks_{0}, first_documents_{0} {
  for (const Part& part : parts_) {
    if (part.chunks->chunk_len() != chunk_len()) {
      Throw(ErrorCode::kInvalidArgument, "the parts of the database have chunks of {} and of {} tokens", chunk_len(),
            part.chunks->chunk_len());
    }
    first_chunks_.push_back(first_chunks_.back() + part.chunks->num_chunks());
    first_documents_.push_back(first_documents_.back() + part.chunks->num_documents());
  }
}

size_t PartedChunks::PartOf(ChunkId id) const {
  if (id.value >= num_chunks()) {
    Throw(ErrorCode::kNotFound, "chunk {} does not exist; there are {} chunks", id.value, num_chunks());
  }
  return std::ranges::upper_bound(first_chunks_, id.value) - first_chunks_.begin() - 1;
}

void PartedChunks::GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out,
                                 std::span<uint32_t> lengths) const {
  if (parts_.size() == 1) return parts_[0].chunks->GetNeighbours(ids, out, lengths);
  const size_t row = 2 * size_t{chunk_len()};
  if (out.size() != ids.size() * row || lengths.size() != ids.size()) {
    Throw(ErrorCode::kInternal, "room for {} tokens of {} neighbours", out.size(), ids.size());
  }
  // Each part is asked once, for all that is its own.
  std::vector<std::vector<size_t>> places(parts_.size());
  for (size_t i = 0; i < ids.size(); ++i) places[PartOf(ids[i])].push_back(i);
  for (size_t p = 0; p < parts_.size(); ++p) {
    const size_t count = places[p].size();
    std::vector<ChunkId> own(count);
    std::vector<TokenId> tokens(count * row);
    std::vector<uint32_t> own_lengths(count);
    for (size_t i = 0; i < count; ++i) own[i] = {ids[places[p][i]].value - first_chunks_[p]};
    parts_[p].chunks->GetNeighbours(own, tokens, own_lengths);
    for (size_t i = 0; i < count; ++i) {
      lengths[places[p][i]] = own_lengths[i];
      std::copy_n(tokens.begin() + static_cast<int64_t>(i * row), own_lengths[i],
                  out.begin() + static_cast<int64_t>(places[p][i] * row));
    }
  }
}

ChunkRecord PartedChunks::Get(ChunkId id) const {
  std::vector<ChunkRecord> chunks;
  ReadRange(id, 1, chunks);
  return std::move(chunks.front());
}

DocumentInfo PartedChunks::Document(DocumentIndex document) const {
  if (document.value >= num_documents()) {
    Throw(ErrorCode::kNotFound, "document {} does not exist; there are {} documents", document.value, num_documents());
  }
  const size_t part = std::ranges::upper_bound(first_documents_, document.value) - first_documents_.begin() - 1;
  return parts_[part].chunks->Document({document.value - first_documents_[part]});
}

void PartedChunks::ReadRange(ChunkId first, uint64_t count, std::vector<ChunkRecord>& out) const {
  out.clear();
  if (count == 0) return;
  if (count > num_chunks()) PartOf({num_chunks()});  // throws, as an id past the end does
  PartOf({first.value + count - 1});
  std::vector<ChunkRecord> own;
  while (count > 0) {
    const size_t p = PartOf(first);
    const uint64_t here = std::min(count, first_chunks_[p + 1] - first.value);
    parts_[p].chunks->ReadRange({first.value - first_chunks_[p]}, here, own);
    for (ChunkRecord& chunk : own) {
      chunk.id.value += first_chunks_[p];
      chunk.document.value += first_documents_[p];
      out.push_back(std::move(chunk));
    }
    first.value += here;
    count -= here;
  }
}

bool PartedChunks::IsRemoved(ChunkId id) const {
  const size_t part = PartOf(id);
  return parts_[part].removed.Contains(id.value - first_chunks_[part]);
}

uint64_t PartedChunks::num_removed_chunks() const {
  uint64_t count = 0;
  for (const Part& part : parts_) count += part.removed.count();
  return count;
}

std::unique_ptr<PartedChunks> OpenChunks(const std::filesystem::path& folder, const std::string& tokenizer) {
  return OpenCurrent(folder, [&](const DatabaseGeneration& generation) {
    if (!tokenizer.empty()) RequireFingerprint(folder, generation.manifest, "tokenizer", tokenizer);
    std::vector<PartedChunks::Part> parts;
    for (size_t i = 0; i < generation.parts.size(); ++i) {
      const auto held = std::make_shared<HeldChunks>(generation.parts[i]);
      parts.push_back({std::shared_ptr<const ChunkStore>(held, &held->chunks), RemovedChunks(generation.removed, i)});
    }
    return std::make_unique<PartedChunks>(std::move(parts));
  });
}

}  // namespace retro
