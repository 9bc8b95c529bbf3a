// What the reader and the writer of the chunk store agree on: RocksDB's options, keys, and the table of blocks.
// Internal to retriever; only chunk_*.cc include RocksDB.
//
// Column families: "default" holds the settings (key "s") and an entry for each committed block (key "b", number),
// "chunks" the chunk records by record number, "documents" what is known of each document by its number. Numbers in
// keys are 8 bytes, most significant first. Records are numbered through; each block begins a new one.
#pragma once

#include <rocksdb/db.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/corpus.h"
#include "retriever/chunk_store.h"

namespace retro {

struct ChunkStoreSettings {
  uint32_t version = 1;
  uint32_t chunk_len = 0;
  uint32_t vocab_size = 0;

  uint32_t token_bytes() const { return vocab_size <= 65'536 ? 2 : 4; }
};

// An open RocksDB with its column families; closes it on destruction.
struct ChunkDatabase {
  enum class Mode { kRead, kWrite };
  // Throws Error(kNotFound, kCorruption, kIo, kUnavailable).
  ChunkDatabase(const std::filesystem::path& folder, Mode mode);
  ~ChunkDatabase();
  // The same with an Error(kIo) when something could not be written; nothing may follow.
  void Close();
  ChunkDatabase(const ChunkDatabase&) = delete;
  ChunkDatabase& operator=(const ChunkDatabase&) = delete;

  bool HasSettings() const;
  // Throw Error(kCorruption) when they are not what the writer wrote.
  ChunkStoreSettings Settings() const;
  std::vector<ChunkBlock> Blocks() const;  // in order, without a gap

  std::filesystem::path folder;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* chunks = nullptr;
  rocksdb::ColumnFamilyHandle* documents = nullptr;
};

rocksdb::Options ChunkStoreOptions();

// Throws the Error that a status stands for, naming `folder` and `what`; returns when the status is OK.
void CheckStatus(const rocksdb::Status& status, const std::filesystem::path& folder, std::string_view what);

std::string NumberKey(uint64_t number);
std::string SettingsKey();
std::string BlockKey(uint64_t block);
std::string EncodeSettings(const ChunkStoreSettings& settings);
std::string EncodeBlock(const ChunkBlock& block);
std::string EncodeDocument(const DocumentInfo& document);
bool DecodeDocument(std::string_view bytes, DocumentInfo& document);  // false when the bytes are not a document

}  // namespace retro
