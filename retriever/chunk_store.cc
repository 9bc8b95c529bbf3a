#include "retriever/chunk_store.h"

#include <algorithm>

#include "core/error.h"
#include "retriever/chunk_database.h"
#include "retriever/chunk_record.h"

namespace retro {
namespace {

// Where a chunk lies.
struct ChunkPlace {
  uint64_t record = 0;
  uint32_t index = 0;  // within the record
};

// Records by number, each read once for a whole batch. Pins what it has read.
class RecordBatch {
 public:
  explicit RecordBatch(const ChunkDatabase& database) : database_(database) {}

  void Want(uint64_t record) { numbers_.push_back(record); }

  void Read() {
    std::sort(numbers_.begin(), numbers_.end());
    numbers_.erase(std::unique(numbers_.begin(), numbers_.end()), numbers_.end());
    const size_t count = numbers_.size();
    std::vector<uint64_t> keys(count);
    std::vector<rocksdb::Slice> slices(count);
    std::vector<rocksdb::Status> statuses(count);
    values_.resize(count);
    views_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      keys[i] = __builtin_bswap64(numbers_[i]);
      slices[i] = {reinterpret_cast<const char*>(&keys[i]), sizeof(keys[i])};
    }
    database_.db->MultiGet(rocksdb::ReadOptions(), database_.chunks, count, slices.data(), values_.data(),
                           statuses.data(), /*sorted_input=*/true);
    for (size_t i = 0; i < count; ++i) Check(i, statuses[i]);
  }

  // REQUIRES: the record was wanted, then read.
  const ChunkRecordView& Get(uint64_t record) const {
    return views_[std::lower_bound(numbers_.begin(), numbers_.end(), record) - numbers_.begin()];
  }

 private:
  void Check(size_t i, const rocksdb::Status& status) {
    if (status.ok() && views_[i].Open(values_[i].ToStringView())) return;
    if (!status.ok() && !status.IsNotFound()) {
      CheckStatus(status, database_.folder, fmt::format("chunk record {} cannot be read", numbers_[i]));
    }
    Throw(ErrorCode::kCorruption, "{}: chunk record {} is {}; the chunk store is damaged, build the database again",
          database_.folder.string(), numbers_[i], status.ok() ? "not one" : "missing");
  }

  const ChunkDatabase& database_;
  std::vector<uint64_t> numbers_;  // sorted once they are read
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<ChunkRecordView> views_;
};

}  // namespace

struct ChunkStore::State {
  explicit State(const std::filesystem::path& folder)
      : database(folder, ChunkDatabase::Mode::kRead), settings(database.Settings()), blocks(database.Blocks()) {
    if (blocks.empty()) return;
    num_chunks = blocks.back().first_chunk + blocks.back().num_chunks;
    num_documents = blocks.back().first_document + blocks.back().num_documents;
  }

  ChunkPlace Place(ChunkId id) const;
  ChunkEntry Find(const ChunkRecordView& view, ChunkId id, uint32_t index) const;

  ChunkDatabase database;
  ChunkStoreSettings settings;
  std::vector<ChunkBlock> blocks;
  uint64_t num_chunks = 0, num_documents = 0;
};

ChunkPlace ChunkStore::State::Place(ChunkId id) const {
  if (id.value >= num_chunks) {
    Throw(ErrorCode::kNotFound, "{}: chunk {} does not exist; there are {} chunks", database.folder.string(), id.value,
          num_chunks);
  }
  const auto next = std::upper_bound(blocks.begin(), blocks.end(), id.value,
                                     [](uint64_t value, const ChunkBlock& block) { return value < block.first_chunk; });
  const ChunkBlock& block = *(next - 1);
  const uint64_t offset = id.value - block.first_chunk;
  return {block.first_record + offset / kChunksPerRecord, static_cast<uint32_t>(offset % kChunksPerRecord)};
}

ChunkEntry ChunkStore::State::Find(const ChunkRecordView& view, ChunkId id, uint32_t index) const {
  ChunkEntry entry;
  if (view.Find(index, settings.chunk_len, entry)) return entry;
  Throw(ErrorCode::kCorruption,
        "{}: chunk {} is not in its record; the chunk store is damaged, build the database again",
        database.folder.string(), id.value);
}

ChunkStore::ChunkStore(const std::filesystem::path& folder) : state_(std::make_unique<State>(folder)) {}
ChunkStore::~ChunkStore() = default;

uint64_t ChunkStore::num_chunks() const { return state_->num_chunks; }
uint64_t ChunkStore::num_documents() const { return state_->num_documents; }
uint32_t ChunkStore::chunk_len() const { return state_->settings.chunk_len; }

void ChunkStore::GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out,
                               std::span<uint32_t> lengths) const {
  const uint32_t len = chunk_len();
  if (out.size() != ids.size() * 2 * len || lengths.size() != ids.size()) {
    Throw(ErrorCode::kInternal, "room for {} tokens of {} neighbours", out.size(), ids.size());
  }
  std::vector<ChunkPlace> places(ids.size());
  RecordBatch batch(state_->database);
  for (size_t i = 0; i < ids.size(); ++i) {
    places[i] = state_->Place(ids[i]);
    batch.Want(places[i].record);
    // The continuation of a record's last chunk, if there is one, is in the next record.
    if (places[i].index + 1 == kChunksPerRecord && ids[i].value + 1 < num_chunks()) batch.Want(places[i].record + 1);
  }
  batch.Read();
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto [record, index] = places[i];
    const ChunkRecordView* view = &batch.Get(record);
    TokenId* tokens = out.data() + i * 2 * len;
    const ChunkEntry entry = state_->Find(*view, ids[i], index);
    view->CopyTokens(entry, tokens);
    lengths[i] = entry.length;
    if (entry.last) continue;
    const bool same_record = index + 1 < kChunksPerRecord;
    if (!same_record) view = &batch.Get(record + 1);
    const ChunkEntry next = state_->Find(*view, ChunkId{ids[i].value + 1}, same_record ? index + 1 : 0);
    view->CopyTokens(next, tokens + entry.length);
    lengths[i] += next.length;
  }
}

ChunkRecord ChunkStore::Get(ChunkId id) const {
  std::vector<ChunkRecord> chunks;
  ReadRange(id, 1, chunks);
  return std::move(chunks.front());
}

DocumentInfo ChunkStore::Document(DocumentIndex document) const {
  const auto& database = state_->database;
  if (document.value >= num_documents()) {
    Throw(ErrorCode::kNotFound, "{}: document {} does not exist; there are {} documents", database.folder.string(),
          document.value, num_documents());
  }
  rocksdb::PinnableSlice value;
  const auto status = database.db->Get(rocksdb::ReadOptions(), database.documents, NumberKey(document.value), &value);
  if (!status.IsNotFound()) {
    CheckStatus(status, database.folder, fmt::format("document {} cannot be read", document.value));
  }
  DocumentInfo info;
  if (!status.ok() || !DecodeDocument(value.ToStringView(), info)) {
    Throw(ErrorCode::kCorruption, "{}: document {} is missing or damaged; build the database again",
          database.folder.string(), document.value);
  }
  return info;
}

void ChunkStore::ForEachDocument(const std::function<void(DocumentIndex, const DocumentInfo&)>& visit) const {
  const auto& database = state_->database;
  rocksdb::ReadOptions once;
  once.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> entry(database.db->NewIterator(once, database.documents));
  uint64_t next = 0;
  DocumentInfo info;
  for (entry->SeekToFirst(); entry->Valid() && next < num_documents(); entry->Next(), ++next) {
    if (entry->key() != NumberKey(next) || !DecodeDocument(entry->value().ToStringView(), info)) break;
    visit(DocumentIndex{next}, info);
  }
  CheckStatus(entry->status(), database.folder, "its documents cannot be read");
  if (next == num_documents()) return;
  Throw(ErrorCode::kCorruption, "{}: document {} is missing or damaged; build the database again",
        database.folder.string(), next);
}

void ChunkStore::ReadRange(ChunkId first, uint64_t count, std::vector<ChunkRecord>& out) const {
  out.clear();
  if (count == 0) return;
  if (count > num_chunks()) state_->Place(ChunkId{num_chunks()});  // throws, as an id past the end does
  state_->Place(ChunkId{first.value + count - 1});
  RecordBatch batch(state_->database);
  const uint64_t last_record = state_->Place(ChunkId{first.value + count - 1}).record;
  for (uint64_t record = state_->Place(first).record; record <= last_record; ++record) batch.Want(record);
  batch.Read();
  out.reserve(count);
  for (uint64_t value = first.value; value < first.value + count; ++value) {
    const auto [record, index] = state_->Place(ChunkId{value});
    const ChunkRecordView& view = batch.Get(record);
    const ChunkEntry entry = state_->Find(view, ChunkId{value}, index);
    ChunkRecord chunk{ChunkId{value}, view.Document(index), view.Ordinal(index) * chunk_len(), {}};
    chunk.tokens.resize(entry.length);
    view.CopyTokens(entry, chunk.tokens.data());
    out.push_back(std::move(chunk));
  }
}

}  // namespace retro
