// Table files of a block on their way into the chunk store. Internal to retriever; only chunk_*.cc include RocksDB.
#pragma once

#include <rocksdb/sst_file_writer.h>

#include <filesystem>
#include <memory>
#include <string>

namespace retro {

inline constexpr const char* kChunkTable = "chunks.sst";
inline constexpr const char* kDocumentTable = "documents.sst";

// One sorted table file. It is made with its first key. One thread at a time.
class PendingTable {
 public:
  // `store`: what a message names.
  PendingTable(std::filesystem::path path, std::filesystem::path store)
      : path_(std::move(path)), store_(std::move(store)) {}

  // Keys in ascending order. Throws Error(kIo).
  void Put(const std::string& key, const std::string& value);
  // Closes and syncs it, if it has keys. Throws Error(kIo).
  void Finish();

 private:
  std::filesystem::path path_;
  std::filesystem::path store_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;
};

}  // namespace retro
