#include <rocksdb/sst_file_writer.h>

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "datasets/chunker.h"
#include "retriever/chunk_database.h"
#include "retriever/chunk_record.h"
#include "retriever/chunk_store.h"

namespace retro {
namespace {

// Tables of the block that is being written; RocksDB never looks here.
constexpr const char* kPendingFolder = "pending";

// One sorted table file on its way into a column family. It is made with its first key.
class PendingTable {
 public:
  PendingTable(std::filesystem::path path, const std::filesystem::path& store)
      : path_(std::move(path)), store_(store) {}

  void Put(const std::string& key, const std::string& value) {
    if (writer_ == nullptr) {
      writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), ChunkStoreOptions());
      CheckStatus(writer_->Open(path_.string()), store_, "a table cannot be made");
    }
    CheckStatus(writer_->Put(key, value), store_, "a table cannot be written");
  }

  // Adds the finished table, if it has keys, to `files`.
  void Finish(rocksdb::ColumnFamilyHandle* family, std::vector<rocksdb::IngestExternalFileArg>& files) {
    if (writer_ == nullptr) return;
    CheckStatus(writer_->Finish(), store_, "a table cannot be finished");
    writer_.reset();
    rocksdb::IngestExternalFileArg file;
    file.column_family = family;
    file.external_files = {path_.string()};
    file.options.move_files = true;
    file.options.write_global_seqno = false;  // the table's bytes stay as they were checked
    files.push_back(std::move(file));
  }

 private:
  std::filesystem::path path_;
  std::filesystem::path store_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;
};

std::filesystem::path PrepareFolder(const std::filesystem::path& folder) {
  MakeDirectories(folder);
  return folder;
}

}  // namespace

struct ChunkStoreWriter::State {
  State(const std::filesystem::path& folder, const ChunkStoreSettings& wanted)
      : database(std::make_unique<ChunkDatabase>(PrepareFolder(folder), ChunkDatabase::Mode::kWrite)),
        settings(wanted),
        pending(folder / kPendingFolder),
        record(wanted.token_bytes()) {
    ClearPending();
    MakeDirectories(pending);
    if (!database->HasSettings()) SaveSettings();
    CheckSettings();
    const auto blocks = database->Blocks();
    num_blocks = blocks.size();
    if (!blocks.empty()) block = blocks.back();
    BeginBlock();
  }

  PendingTable NewTable(const char* name) const { return {pending / name, database->folder}; }

  void ClearPending() const {
    std::error_code ignored;  // what cannot be removed now is found again when a table of that name is made
    std::filesystem::remove_all(pending, ignored);
  }

  void SaveSettings() {
    PendingTable table = NewTable("settings.sst");
    table.Put(SettingsKey(), EncodeSettings(settings));
    std::vector<rocksdb::IngestExternalFileArg> files;
    table.Finish(database->meta, files);
    CheckStatus(database->db->IngestExternalFiles(files), database->folder, "the settings cannot be saved");
  }

  void CheckSettings() const {
    const ChunkStoreSettings stored = database->Settings();
    if (stored.chunk_len == settings.chunk_len && stored.vocab_size == settings.vocab_size) return;
    Throw(
        ErrorCode::kInvalidArgument,
        "{} was begun with chunks of {} tokens and a vocabulary of {}, not {} and {}; give the same, or another folder",
        database->folder.string(), stored.chunk_len, stored.vocab_size, settings.chunk_len, settings.vocab_size);
  }

  void BeginBlock() {
    block = {block.first_document + block.num_documents, 0, block.first_chunk + block.num_chunks, 0,
             block.first_record + block.num_records,     0};
    chunk_table = NewTable("chunks.sst");
    document_table = NewTable("documents.sst");
  }

  void PutRecord() {
    if (record.num_chunks() == 0) return;
    chunk_table.Put(NumberKey(block.first_record + block.num_records), record.Take());
    ++block.num_records;
  }

  void CheckTokens(const DocumentInfo& document, std::span<const TokenId> tokens) const {
    for (const TokenId token : tokens) {
      if (token < 0 || static_cast<uint32_t>(token) >= settings.vocab_size) {
        Throw(ErrorCode::kInvalidArgument, "document \"{}\" has token {}, the vocabulary has {}", document.id, token,
              settings.vocab_size);
      }
    }
  }

  std::unique_ptr<ChunkDatabase> database;
  ChunkStoreSettings settings;
  std::filesystem::path pending;
  uint64_t num_blocks = 0;  // committed
  ChunkBlock block;         // being written
  ChunkRecordBuilder record;
  PendingTable chunk_table{{}, {}}, document_table{{}, {}};
};

ChunkStoreWriter::ChunkStoreWriter(const std::filesystem::path& folder, uint32_t chunk_len, uint32_t vocab_size) {
  if (chunk_len < 1 || chunk_len > UINT16_MAX || vocab_size < 1) {
    Throw(ErrorCode::kInvalidArgument, "chunk_len {} (1 to 65535) and vocab_size {} (1 or more)", chunk_len,
          vocab_size);
  }
  state_ = std::make_unique<State>(folder, ChunkStoreSettings{.chunk_len = chunk_len, .vocab_size = vocab_size});
}

ChunkStoreWriter::~ChunkStoreWriter() = default;

uint64_t ChunkStoreWriter::num_documents() const { return state_->block.first_document + state_->block.num_documents; }
uint64_t ChunkStoreWriter::num_chunks() const { return state_->block.first_chunk + state_->block.num_chunks; }

void ChunkStoreWriter::Append(const DocumentInfo& document, std::span<const TokenId> tokens) {
  State& state = *state_;
  state.CheckTokens(document, tokens);
  const DocumentIndex index{num_documents()};
  state.document_table.Put(NumberKey(index.value), EncodeDocument(document));
  ++state.block.num_documents;
  const uint32_t chunk_len = state.settings.chunk_len;
  const uint64_t count = NumChunks(tokens.size(), chunk_len);
  for (uint64_t ordinal = 0; ordinal < count; ++ordinal) {
    const ChunkSpan span = ChunkAt(tokens.size(), chunk_len, ordinal);
    state.record.Add(index, ordinal, tokens.subspan(span.begin, span.length), ordinal + 1 == count);
    ++state.block.num_chunks;
    if (state.record.full()) state.PutRecord();
  }
}

void ChunkStoreWriter::CommitBlock() {
  State& state = *state_;
  if (state.block.num_documents == 0) return;
  state.PutRecord();
  PendingTable block_table = state.NewTable("block.sst");
  block_table.Put(BlockKey(state.num_blocks), EncodeBlock(state.block));
  std::vector<rocksdb::IngestExternalFileArg> files;
  state.chunk_table.Finish(state.database->chunks, files);
  state.document_table.Finish(state.database->documents, files);
  block_table.Finish(state.database->meta, files);
  // All tables or none.
  CheckStatus(state.database->db->IngestExternalFiles(files), state.database->folder, "a block cannot be committed");
  ++state.num_blocks;
  state.BeginBlock();
}

void ChunkStoreWriter::Finish() {
  if (state_->block.num_documents != 0) Throw(ErrorCode::kInternal, "chunk store finished with an uncommitted block");
  state_->database->Close();
  state_->ClearPending();
}

}  // namespace retro
