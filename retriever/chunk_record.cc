#include "retriever/chunk_record.h"

#include <bit>
#include <cstring>

#include "core/error.h"

static_assert(std::endian::native == std::endian::little, "stored numbers are little-endian");

namespace retro {
namespace {

constexpr size_t kHeaderBytes = 24;
constexpr size_t kEntryBytes = 8;

template <typename T>
void Put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T Take(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace

void ChunkRecordBuilder::Add(DocumentIndex document, uint64_t ordinal, std::span<const TokenId> tokens, bool last) {
  if (num_chunks_ == 0) {
    first_document_ = document.value;
    first_ordinal_ = ordinal;
  }
  const uint64_t offset = document.value - first_document_;
  if (offset > UINT32_MAX) Throw(ErrorCode::kInvalidArgument, "more than 2^32 documents without tokens in a row");
  ++num_chunks_;
  Put(entries_, static_cast<uint32_t>(offset));
  Put(entries_, static_cast<uint32_t>(tokens_.size() / token_bytes_) << 1 | static_cast<uint32_t>(last));
  if (token_bytes_ == sizeof(TokenId)) {
    tokens_.append(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
  } else {
    for (const TokenId token : tokens) Put(tokens_, static_cast<uint16_t>(token));
  }
}

std::string ChunkRecordBuilder::Take() {
  std::string bytes;
  bytes.reserve(kHeaderBytes + entries_.size() + tokens_.size());
  Put(bytes, num_chunks_);
  Put(bytes, token_bytes_);
  Put(bytes, first_document_);
  Put(bytes, first_ordinal_);
  bytes += entries_;
  bytes += tokens_;
  num_chunks_ = 0;
  entries_.clear();
  tokens_.clear();
  return bytes;
}

bool ChunkRecordView::Open(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return false;
  bytes_ = bytes;
  num_chunks_ = Take<uint32_t>(bytes.data());
  token_bytes_ = Take<uint32_t>(bytes.data() + 4);
  const size_t tokens_begin = kHeaderBytes + size_t{num_chunks_} * kEntryBytes;
  if (num_chunks_ > kChunksPerRecord || (token_bytes_ != 2 && token_bytes_ != 4) || bytes.size() < tokens_begin) {
    return false;
  }
  tokens_ = bytes.data() + tokens_begin;
  num_tokens_ = static_cast<uint32_t>((bytes.size() - tokens_begin) / token_bytes_);
  return true;
}

bool ChunkRecordView::Find(uint32_t index, uint32_t chunk_len, ChunkEntry& entry) const {
  if (index >= num_chunks_) return false;
  const char* place = bytes_.data() + kHeaderBytes + index * kEntryBytes + 4;
  const auto packed = Take<uint32_t>(place);
  const uint32_t end = index + 1 < num_chunks_ ? Take<uint32_t>(place + kEntryBytes) >> 1 : num_tokens_;
  entry = {packed >> 1, end - (packed >> 1), (packed & 1) != 0};
  return entry.begin < end && end <= num_tokens_ && entry.length <= chunk_len;
}

DocumentIndex ChunkRecordView::Document(uint32_t index) const {
  return {Take<uint64_t>(bytes_.data() + 8) + Take<uint32_t>(bytes_.data() + kHeaderBytes + index * kEntryBytes)};
}

uint64_t ChunkRecordView::Ordinal(uint32_t index) const {
  uint32_t first = index;
  while (first > 0 && Document(first - 1) == Document(index)) --first;
  return index - first + (first == 0 ? Take<uint64_t>(bytes_.data() + 16) : 0);
}

void ChunkRecordView::CopyTokens(const ChunkEntry& entry, TokenId* out) const {
  const char* from = tokens_ + size_t{entry.begin} * token_bytes_;
  if (token_bytes_ == sizeof(TokenId)) {
    std::memcpy(out, from, entry.length * sizeof(TokenId));
    return;
  }
  for (uint32_t i = 0; i < entry.length; ++i) out[i] = Take<uint16_t>(from + i * sizeof(uint16_t));
}

}  // namespace retro
