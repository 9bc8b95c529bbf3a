#include <rocksdb/sst_file_writer.h>

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "core/file_tree.h"
#include "retriever/chunk_block_tables.h"
#include "retriever/chunk_database.h"
#include "retriever/chunk_store.h"

namespace retro {
namespace {

// Tables of the block that is being written; RocksDB never looks here.
constexpr const char* kPendingFolder = "pending";

std::filesystem::path PrepareFolder(const std::filesystem::path& folder) {
  MakeDirectories(folder);
  return folder;
}

rocksdb::IngestExternalFileArg Ingestion(rocksdb::ColumnFamilyHandle* family, const std::filesystem::path& table) {
  rocksdb::IngestExternalFileArg file;
  file.column_family = family;
  file.external_files = {table.string()};
  file.options.move_files = true;
  file.options.write_global_seqno = false;  // the table's bytes stay as they were checked
  return file;
}

}  // namespace

struct ChunkStoreWriter::State {
  State(const std::filesystem::path& folder, const ChunkStoreSettings& wanted)
      : database(std::make_unique<ChunkDatabase>(PrepareFolder(folder), ChunkDatabase::Mode::kWrite)),
        settings(wanted),
        pending(folder / kPendingFolder) {
    ClearPending();
    MakeDirectories(pending);
    if (!database->HasSettings()) SaveSettings();
    CheckSettings();
    const auto blocks = database->Blocks();
    num_blocks = blocks.size();
    BeginBlock(blocks.empty() ? ChunkBlock{} : blocks.back().Next());
  }

  void ClearPending() const {
    std::error_code ignored;  // what cannot be removed now is found again when a table of that name is made
    std::filesystem::remove_all(pending, ignored);
  }

  void SaveSettings() {
    PendingTable table(pending / "settings.sst", database->folder);
    table.Put(SettingsKey(), EncodeSettings(settings));
    table.Finish();
    CheckStatus(database->db->IngestExternalFiles({Ingestion(database->meta, pending / "settings.sst")}),
                database->folder, "the settings cannot be saved");
  }

  void CheckSettings() const {
    const ChunkStoreSettings stored = database->Settings();
    if (stored.chunk_len == settings.chunk_len && stored.vocab_size == settings.vocab_size) return;
    Throw(
        ErrorCode::kInvalidArgument,
        "{} was begun with chunks of {} tokens and a vocabulary of {}, not {} and {}; give the same, or another folder",
        database->folder.string(), stored.chunk_len, stored.vocab_size, settings.chunk_len, settings.vocab_size);
  }

  void BeginBlock(const ChunkBlock& first) {
    writer = std::make_unique<ChunkBlockWriter>(pending, settings.chunk_len, settings.vocab_size, first);
  }

  // The tables in `pending`, and the entry that says that the block is there: all or none.
  void Commit(const ChunkBlock& block) {
    PendingTable entry(pending / "block.sst", database->folder);
    entry.Put(BlockKey(num_blocks), EncodeBlock(block));
    entry.Finish();
    std::vector<rocksdb::IngestExternalFileArg> files = {Ingestion(database->meta, pending / "block.sst")};
    if (block.num_records > 0) files.push_back(Ingestion(database->chunks, pending / kChunkTable));
    files.push_back(Ingestion(database->documents, pending / kDocumentTable));
    CheckStatus(database->db->IngestExternalFiles(files), database->folder, "a block cannot be committed");
    ++num_blocks;
    BeginBlock(block.Next());
  }

  std::unique_ptr<ChunkDatabase> database;
  ChunkStoreSettings settings;
  std::filesystem::path pending;
  uint64_t num_blocks = 0;                   // committed
  std::unique_ptr<ChunkBlockWriter> writer;  // of the block that is being written
};

ChunkStoreWriter::ChunkStoreWriter(const std::filesystem::path& folder, uint32_t chunk_len, uint32_t vocab_size) {
  if (chunk_len < 1 || chunk_len > UINT16_MAX || vocab_size < 1) {
    Throw(ErrorCode::kInvalidArgument, "chunk_len {} (1 to 65535) and vocab_size {} (1 or more)", chunk_len,
          vocab_size);
  }
  state_ = std::make_unique<State>(folder, ChunkStoreSettings{.chunk_len = chunk_len, .vocab_size = vocab_size});
}

ChunkStoreWriter::~ChunkStoreWriter() = default;

uint64_t ChunkStoreWriter::num_documents() const { return state_->writer->block().Next().first_document; }
uint64_t ChunkStoreWriter::num_chunks() const { return state_->writer->block().Next().first_chunk; }

void ChunkStoreWriter::Append(const DocumentInfo& document, std::span<const TokenId> tokens) {
  state_->writer->Append(document, tokens);
}

void ChunkStoreWriter::CommitBlock() {
  if (state_->writer->block().num_documents == 0) return;
  state_->writer->Finish();
  state_->Commit(ChunkBlock(state_->writer->block()));
}

void ChunkStoreWriter::Ingest(const std::filesystem::path& from, const ChunkBlock& block) {
  const ChunkBlock& next = state_->writer->block();
  if (next.num_documents != 0 || block.num_documents == 0 || block.first_document != next.first_document ||
      block.first_chunk != next.first_chunk || block.first_record != next.first_record) {
    Throw(ErrorCode::kInternal, "{}: a block of {} documents from {} on was ingested at {}",
          state_->database->folder.string(), block.num_documents, block.first_document, next.first_document);
  }
  for (const char* table : {kChunkTable, kDocumentTable}) {
    if (std::filesystem::exists(from / table)) LinkOrCopy(from / table, state_->pending / table);
  }
  state_->Commit(block);
}

void ChunkStoreWriter::Finish() {
  if (state_->writer->block().num_documents != 0) {
    Throw(ErrorCode::kInternal, "chunk store finished with an uncommitted block");
  }
  state_->database->Close();
  state_->ClearPending();
}

}  // namespace retro
