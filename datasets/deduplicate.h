// Documents without those that nearly repeat an earlier one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "datasets/document.h"
#include "datasets/near_duplicates.h"

namespace retro {

class ThreadPool;

// What a first reading of all documents found. Documents are numbered from 0 in the order in which they are read.
struct DuplicateScan {
  std::unique_ptr<NearDuplicates> documents;
  std::vector<uint64_t> first;  // for each the first of its cluster, itself where it is kept
  ReaderReport read;

  bool IsKept(uint64_t document) const { return first[document] == document; }

  // For who reads the documents again. Throws Error(kUnavailable) when the files are not what they were.
  void RequireSame(const ReaderReport& again) const;
};

// Reads all documents. `memory_bytes` bounds the documents held at once; signatures come on top (near_duplicates.h).
// Throws Error as OpenDocuments does, and kInvalidArgument for standard input, which cannot be read twice.
DuplicateScan ScanForDuplicates(const std::vector<std::filesystem::path>& inputs, const NearDuplicateOptions& options,
                                const ReaderOptions& reader, size_t memory_bytes, ThreadPool& pool);

struct DeduplicateOptions {
  NearDuplicateOptions near;
  ReaderOptions reader;
  size_t memory_bytes = size_t{256} << 20;
  std::filesystem::path report;  // where not empty: a line of JSON for each document dropped: dropped, kept, similarity
};

struct DeduplicateReport {
  uint64_t documents = 0, kept = 0;
  uint64_t clusters = 0;  // of at least two documents
  ReaderReport read;
};

// Writes the documents that are kept to `out` as JSON lines with the fields of Document that are not empty. Both files
// appear whole or not at all. Throws Error as ScanForDuplicates, and kIo.
DeduplicateReport DeduplicateDocuments(const std::vector<std::filesystem::path>& inputs,
                                       const std::filesystem::path& out, const DeduplicateOptions& options,
                                       ThreadPool& pool);

}  // namespace retro
