// A retriever/database_editor.h for a database in a folder that this process has open.
#pragma once

#include <memory>
#include <mutex>

#include "core/thread_pool.h"
#include "index-builder/database_updater.h"
#include "retriever/database_editor.h"
#include "retriever/live_database.h"

namespace retro {

// Each edit is a new generation, which `database` has open when the edit returns. Many small ones are merged.
class LiveDatabaseEditor final : public DatabaseEditor {
 public:
  // `tokenizer` and `embedder`: those that the database was built with. `num_threads` embed.
  LiveDatabaseEditor(std::shared_ptr<LiveDatabase> database, std::shared_ptr<const Tokenizer> tokenizer,
                     std::shared_ptr<const Embedder> embedder, UpdateOptions options, size_t num_threads);

  DatabaseEdit Add(std::span<const Document> documents) override;
  DatabaseEdit Remove(const DocumentSelection& selection) override;

 private:
  void MergeParts();

  std::shared_ptr<LiveDatabase> database_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const Embedder> embedder_;
  UpdateOptions options_;
  std::mutex mutex_;  // one edit at a time
  ThreadPool pool_;
};

}  // namespace retro
