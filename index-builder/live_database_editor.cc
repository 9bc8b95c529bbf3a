#include "index-builder/live_database_editor.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"

namespace retro {

LiveDatabaseEditor::LiveDatabaseEditor(std::shared_ptr<LiveDatabase> database,
                                       std::shared_ptr<const Tokenizer> tokenizer,
                                       std::shared_ptr<const Embedder> embedder, UpdateOptions options,
                                       size_t num_threads)
    : database_(std::move(database)),
      tokenizer_(std::move(tokenizer)),
      embedder_(std::move(embedder)),
      options_(std::move(options)),
      pool_(num_threads) {}

DatabaseEdit LiveDatabaseEditor::Add(std::span<const Document> documents) {
  const std::lock_guard lock(mutex_);
  const UpdateReport report =
      AddDocuments(database_->Current()->folder(), documents, *tokenizer_, *embedder_, options_, pool_);
  database_->Refresh();
  MergeParts();
  const uint64_t replaced = std::min(report.replaced_documents, report.added_documents);
  return {
      .added = report.added_documents - replaced, .replaced = replaced, .removed = 0, .generation = report.generation};
}

DatabaseEdit LiveDatabaseEditor::Remove(const DocumentSelection& selection) {
  const std::lock_guard lock(mutex_);
  const UpdateReport report = RemoveDocuments(database_->Current()->folder(), selection, options_);
  database_->Refresh();
  return {.added = 0, .replaced = 0, .removed = report.removed_documents, .generation = report.generation};
}

void LiveDatabaseEditor::MergeParts() {
  try {
    MergeSmallParts(database_->Current()->folder(), *tokenizer_, *embedder_, options_, pool_);
    database_->Refresh();
  } catch (const Error& error) {
    // The edit itself stands.
    spdlog::warn("small parts of the database are not merged: {}", error.what());
  }
}

}  // namespace retro
