#include "datasets/document_batches.h"

#include <utility>

#include "core/interrupt.h"

namespace retro {

DocumentBatches::DocumentBatches(DocumentReader& reader, size_t batch_bytes)
    : reader_(reader), batch_bytes_(batch_bytes), next_(std::async(std::launch::async, [this] { return Read(); })) {}

std::vector<Document> DocumentBatches::Next() {
  if (!next_.valid()) return {};
  Batch batch = next_.get();
  bytes_read_ = batch.bytes_read;
  if (!batch.documents.empty()) next_ = std::async(std::launch::async, [this] { return Read(); });
  return std::move(batch.documents);
}

DocumentBatches::Batch DocumentBatches::Read() const {
  Batch batch;
  size_t bytes = 0;
  do {
    ThrowIfInterrupted();
    Document document;
    if (!reader_.Next(document)) break;
    bytes += sizeof(Document) + document.text.size();
    batch.documents.push_back(std::move(document));
  } while (bytes < batch_bytes_);
  batch.bytes_read = reader_.report().bytes_read;
  return batch;
}

}  // namespace retro
