// Documents by the batch: the next one is read in the background while the caller works on this one.
#pragma once

#include <future>
#include <vector>

#include "datasets/document.h"

namespace retro {

// One thread at a time. What the reader throws comes out of Next().
class DocumentBatches {
 public:
  // A batch ends with the document that brings it to `batch_bytes` of text; two batches are held at a time. `reader`
  // must outlive this, and be left alone until Next() has returned an empty batch.
  DocumentBatches(DocumentReader& reader, size_t batch_bytes);

  std::vector<Document> Next();                        // empty at the end
  uint64_t bytes_read() const { return bytes_read_; }  // of the files, up to the end of the batch last returned

 private:
  struct Batch {
    std::vector<Document> documents;
    uint64_t bytes_read = 0;
  };
  Batch Read() const;

  DocumentReader& reader_;
  size_t batch_bytes_;
  uint64_t bytes_read_ = 0;
  std::future<Batch> next_;
};

}  // namespace retro
