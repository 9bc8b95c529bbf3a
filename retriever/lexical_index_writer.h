// Makes a lexical index (retriever/lexical_index.h) of chunks in their order, in bounded memory: postings are sorted in
// runs, which are merged at the end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/record_file.h"
#include "retriever/lexical_terms.h"

namespace retro {

// One thread at a time. The bytes of the index do not depend on memory_bytes.
class LexicalIndexWriter {
 public:
  // Makes `folder`. memory_bytes: bound on the postings of a run, 16 bytes each.
  LexicalIndexWriter(const std::filesystem::path& folder, size_t memory_bytes);
  ~LexicalIndexWriter();

  // The next chunk. Throws Error(kIo).
  void Add(std::span<const LexicalTerm> terms);
  // Merges the runs, writes the files and removes the runs. Throws Error(kIo), kUnavailable when interrupted.
  void Finish();

 private:
  struct Posting {
    LexicalTerm term = 0;
    uint32_t chunk = 0;  // counted from the run's first
    uint32_t count = 0;
  };
  struct Run {
    std::filesystem::path file;
    uint64_t first_chunk = 0;
  };
  class Merger;

  void EndRun();

  std::filesystem::path folder_;
  size_t max_postings_;
  std::unique_ptr<RecordFileWriter> lengths_;
  uint64_t num_chunks_ = 0, run_first_chunk_ = 0;
  std::vector<Posting> postings_;  // of the run that is being filled
  std::vector<Run> runs_;
};

}  // namespace retro
