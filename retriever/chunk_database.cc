#include "retriever/chunk_database.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/table.h>

#include <cstring>

#include "core/error.h"

namespace retro {
namespace {

constexpr size_t kBlockCacheBytes = size_t{1} << 30;
constexpr size_t kTableBlockBytes = 4096;

// RocksDB's own log file would hold times and change at each opening.
class NoLog final : public rocksdb::Logger {
 public:
  void Logv(const char*, va_list) override {}
  using rocksdb::Logger::Logv;
};

template <typename T>
T ReadFixed(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

template <typename T>
std::string WriteFixed(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

// By another process ("While lock file") or by this one.
bool IsLocked(std::string_view detail) {
  return detail.find("While lock file") != std::string_view::npos ||
         detail.find("lock hold by") != std::string_view::npos;
}

[[noreturn]] void ThrowDamaged(const std::filesystem::path& folder, std::string_view what) {
  Throw(ErrorCode::kCorruption, "{}: {}; the chunk store is damaged, build the database again", folder.string(), what);
}

}  // namespace

void CheckStatus(const rocksdb::Status& status, const std::filesystem::path& folder, std::string_view what) {
  if (status.ok()) return;
  const std::string detail = status.ToString();
  if (status.IsCorruption()) ThrowDamaged(folder, fmt::format("{} ({})", what, detail));
  if (IsLocked(detail)) {
    Throw(ErrorCode::kUnavailable,
          "{}: this chunk store is being written by someone else; wait until they are done ({})", folder.string(),
          detail);
  }
  if (status.IsInvalidArgument()) {
    Throw(ErrorCode::kNotFound, "{}: there is no chunk store of retro's here ({})", folder.string(), detail);
  }
  Throw(ErrorCode::kIo, "{}: {}: {}", folder.string(), what, detail);
}

rocksdb::Options ChunkStoreOptions() {
  // One for all stores of the process, so that a database of many parts takes no more memory than one of one part.
  static const auto cache = rocksdb::HyperClockCacheOptions(kBlockCacheBytes, kTableBlockBytes).MakeSharedCache();
  rocksdb::BlockBasedTableOptions table;
  table.block_size = kTableBlockBytes;
  table.block_cache = cache;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kNoCompression;
  options.bottommost_compression = rocksdb::kNoCompression;
  options.info_log = std::make_shared<NoLog>();
  options.disable_auto_compactions = true;  // blocks never overlap, so there is nothing to merge
  options.max_open_files = -1;
  return options;
}

ChunkDatabase::ChunkDatabase(const std::filesystem::path& where, Mode mode) : folder(where) {
  rocksdb::Options options = ChunkStoreOptions();
  if (mode == Mode::kRead && !std::filesystem::exists(folder / "CURRENT")) {
    Throw(ErrorCode::kNotFound, "{}: there is no chunk store here", folder.string());
  }
  options.create_if_missing = options.create_missing_column_families = mode == Mode::kWrite;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, options}, {"chunks", options}, {"documents", options}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  CheckStatus(mode == Mode::kRead ? rocksdb::DB::OpenForReadOnly(options, folder.string(), families, &handles, &opened)
                                  : rocksdb::DB::Open(options, folder.string(), families, &handles, &opened),
              folder, "cannot be opened");
  db.reset(opened);
  meta = handles[0], chunks = handles[1], documents = handles[2];
}

ChunkDatabase::~ChunkDatabase() {
  try {
    Close();
  } catch (const Error&) {
    // Blocks are durable when they are committed, so nothing is lost here.
  }
}

void ChunkDatabase::Close() {
  if (db == nullptr) return;
  for (auto* family : {meta, chunks, documents}) db->DestroyColumnFamilyHandle(family);
  const auto closed = db->Close();
  db.reset();
  CheckStatus(closed, folder, "cannot be closed");
}

bool ChunkDatabase::HasSettings() const {
  std::string value;
  const auto status = db->Get(rocksdb::ReadOptions(), meta, SettingsKey(), &value);
  if (status.IsNotFound()) return false;
  CheckStatus(status, folder, "its settings cannot be read");
  return true;
}

ChunkStoreSettings ChunkDatabase::Settings() const {
  std::string value;
  const auto status = db->Get(rocksdb::ReadOptions(), meta, SettingsKey(), &value);
  if (status.IsNotFound()) ThrowDamaged(folder, "it has no settings");
  CheckStatus(status, folder, "its settings cannot be read");
  if (value.size() != sizeof(ChunkStoreSettings)) ThrowDamaged(folder, "its settings have another size");
  const auto settings = ReadFixed<ChunkStoreSettings>(value);
  if (settings.version != ChunkStoreSettings().version) {
    Throw(ErrorCode::kInvalidArgument, "{}: chunk store version {}, this retro reads version {}", folder.string(),
          settings.version, ChunkStoreSettings().version);
  }
  if (settings.chunk_len < 1 || settings.chunk_len > UINT16_MAX || settings.vocab_size < 1) {
    ThrowDamaged(folder, fmt::format("chunk_len {}, vocab_size {}", settings.chunk_len, settings.vocab_size));
  }
  return settings;
}

std::vector<ChunkBlock> ChunkDatabase::Blocks() const {
  std::vector<ChunkBlock> blocks;
  ChunkBlock expected;
  const std::unique_ptr<rocksdb::Iterator> entry(db->NewIterator(rocksdb::ReadOptions(), meta));
  for (entry->Seek(BlockKey(0)); entry->Valid() && entry->key().starts_with("b"); entry->Next()) {
    const auto value = entry->value().ToStringView();
    if (entry->key() != BlockKey(blocks.size()) || value.size() != sizeof(ChunkBlock)) {
      ThrowDamaged(folder, fmt::format("block {} is missing", blocks.size()));
    }
    const auto block = ReadFixed<ChunkBlock>(value);
    if (block.first_document != expected.first_document || block.first_chunk != expected.first_chunk ||
        block.first_record != expected.first_record) {
      ThrowDamaged(folder, fmt::format("block {} does not follow the one before it", blocks.size()));
    }
    expected.first_document += block.num_documents;
    expected.first_chunk += block.num_chunks;
    expected.first_record += block.num_records;
    blocks.push_back(block);
  }
  CheckStatus(entry->status(), folder, "its table of blocks cannot be read");
  return blocks;
}

std::string NumberKey(uint64_t number) {
  const uint64_t big_endian = __builtin_bswap64(number);
  return WriteFixed(big_endian);
}

std::string SettingsKey() { return "s"; }

std::string BlockKey(uint64_t block) {
  std::string key = "b";
  key.append(NumberKey(block));
  return key;
}

std::string EncodeSettings(const ChunkStoreSettings& settings) { return WriteFixed(settings); }
std::string EncodeBlock(const ChunkBlock& block) { return WriteFixed(block); }

std::string EncodeDocument(const DocumentInfo& document) {
  std::string bytes;
  for (const std::string* field : {&document.id, &document.title, &document.source, &document.url, &document.licence}) {
    bytes += WriteFixed(static_cast<uint32_t>(field->size()));
    bytes += *field;
  }
  return bytes + document.date;
}

bool DecodeDocument(std::string_view bytes, DocumentInfo& document) {
  for (std::string* field : {&document.id, &document.title, &document.source, &document.url, &document.licence}) {
    if (bytes.size() < sizeof(uint32_t)) return false;
    const auto size = ReadFixed<uint32_t>(bytes);
    bytes.remove_prefix(sizeof(uint32_t));
    if (bytes.size() < size) return false;
    field->assign(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  document.date.assign(bytes);  // the rest
  return true;
}

}  // namespace retro
