#include "datasets/corpus_shard.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace retro {
namespace {

constexpr RecordFormat kDocuments{.kind = "documents", .version = 1, .record_bytes = sizeof(DocumentEnd)};
constexpr RecordFormat kInfo{.kind = "document info", .version = 1, .record_bytes = 1};

RecordFormat TokensFormat(uint64_t vocab_size) {
  if (FitsIn16Bits(vocab_size)) return {.kind = "tokens16", .version = 1, .record_bytes = 2};
  return {.kind = "tokens32", .version = 1, .record_bytes = 4};
}

// The order in which the fields lie in the info file.
constexpr std::array kInfoFields = {&DocumentInfo::id, &DocumentInfo::title, &DocumentInfo::source, &DocumentInfo::url,
                                    &DocumentInfo::licence};

// Five lengths, then the five texts; what is left is the date.
void AppendInfo(const DocumentInfo& info, std::string& bytes) {
  for (const auto field : kInfoFields) {
    const auto length = static_cast<uint32_t>((info.*field).size());
    bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
  }
  for (const auto field : kInfoFields) bytes += info.*field;
  bytes += info.date;
}

bool ParseInfo(std::span<const std::byte> bytes, DocumentInfo& info) {
  std::array<uint32_t, kInfoFields.size()> lengths;
  if (bytes.size() < sizeof(lengths)) return false;
  std::memcpy(lengths.data(), bytes.data(), sizeof(lengths));
  bytes = bytes.subspan(sizeof(lengths));
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] > bytes.size()) return false;
    (info.*kInfoFields[i]).assign(reinterpret_cast<const char*>(bytes.data()), lengths[i]);
    bytes = bytes.subspan(lengths[i]);
  }
  info.date.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace

std::filesystem::path ShardPath(const std::filesystem::path& part_folder, uint64_t shard, std::string_view extension) {
  return part_folder / fmt::format("shard-{:05}{}", shard, extension);
}

ShardWriter::ShardWriter(const std::filesystem::path& part_folder, uint64_t shard, uint64_t vocab_size)
    : vocab_size_(vocab_size),
      tokens_(ShardPath(part_folder, shard, ".tokens"), TokensFormat(vocab_size)),
      documents_(ShardPath(part_folder, shard, ".documents"), kDocuments),
      info_(ShardPath(part_folder, shard, ".info"), kInfo) {}

void ShardWriter::Append(const DocumentInfo& info, std::span<const TokenId> tokens) {
  narrow_.clear();
  for (const TokenId token : tokens) {
    if (token < 0 || static_cast<uint64_t>(token) >= vocab_size_) {
      Throw(ErrorCode::kInternal, "document \"{}\": the tokenizer made token {} of a vocabulary of {}", info.id, token,
            vocab_size_);
    }
    narrow_.push_back(static_cast<uint16_t>(token));
  }
  if (FitsIn16Bits(vocab_size_)) {
    tokens_.Append(std::span<const uint16_t>(narrow_));
  } else {
    tokens_.Append(tokens);
  }
  info_bytes_.clear();
  AppendInfo(info, info_bytes_);
  info_.Append(std::as_bytes(std::span(info_bytes_)));
  end_ = {tokens_.num_records(), info_.num_records()};
  documents_.Append(std::span<const DocumentEnd>(&end_, 1));
}

void ShardWriter::Finish() {
  tokens_.Finish();
  documents_.Finish();
  info_.Finish();
}

Shard::Shard(const std::filesystem::path& part_folder, uint64_t shard, uint64_t vocab_size)
    : path_(ShardPath(part_folder, shard, ".documents")),
      narrow_(FitsIn16Bits(vocab_size)),
      tokens_(ShardPath(part_folder, shard, ".tokens"), TokensFormat(vocab_size)),
      documents_(path_, kDocuments),
      info_(ShardPath(part_folder, shard, ".info"), kInfo),
      ends_(documents_.Records<DocumentEnd>()) {
  const DocumentEnd last = ends_.empty() ? DocumentEnd{} : ends_.back();
  if (last.tokens != tokens_.num_records() || last.info_bytes != info_.num_records()) {
    Throw(ErrorCode::kCorruption,
          "{}: its documents end at token {} and info byte {}, the files beside it have {} and {}; build the corpus "
          "again",
          path_.string(), last.tokens, last.info_bytes, tokens_.num_records(), info_.num_records());
  }
}

std::pair<DocumentEnd, DocumentEnd> Shard::Bounds(uint64_t document) const {
  const DocumentEnd begin = document == 0 ? DocumentEnd{} : ends_[document - 1];
  const DocumentEnd end = ends_[document];
  if (begin.tokens > end.tokens || end.tokens > tokens_.num_records() || begin.info_bytes > end.info_bytes ||
      end.info_bytes > info_.num_records()) {
    Throw(ErrorCode::kCorruption, "{}: document {} ends before it begins; build the corpus again", path_.string(),
          document);
  }
  return {begin, end};
}

uint64_t Shard::DocumentLength(uint64_t document) const {
  const auto [begin, end] = Bounds(document);
  return end.tokens - begin.tokens;
}

void Shard::AppendTokens(uint64_t document, std::vector<TokenId>& tokens) const {
  const size_t before = tokens.size();
  tokens.resize(before + DocumentLength(document));
  ReadTokens(document, 0, std::span(tokens).subspan(before));
}

void Shard::ReadTokens(uint64_t document, uint64_t begin, std::span<TokenId> out) const {
  const uint64_t first = Bounds(document).first.tokens + begin;
  if (narrow_) {
    std::copy_n(tokens_.Records<uint16_t>().begin() + first, out.size(), out.begin());
  } else {
    std::copy_n(tokens_.Records<TokenId>().begin() + first, out.size(), out.begin());
  }
}

DocumentInfo Shard::Info(uint64_t document) const {
  const auto [begin, end] = Bounds(document);
  DocumentInfo info;
  if (!ParseInfo(info_.payload().subspan(begin.info_bytes, end.info_bytes - begin.info_bytes), info)) {
    Throw(ErrorCode::kCorruption, "{}: the info of document {} does not fit its length; build the corpus again",
          path_.string(), document);
  }
  return info;
}

}  // namespace retro
