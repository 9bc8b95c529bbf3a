// Changes of a database that is open, for those who serve it and do not know how one is built.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/document.h"

namespace retro {

// Documents whose id or whose source is one of these, letter for letter.
struct DocumentSelection {
  std::vector<std::string> ids, sources;
};

struct DatabaseEdit {
  uint64_t added = 0;       // documents whose ids are new
  uint64_t replaced = 0;    // documents in the place of one of the same id
  uint64_t removed = 0;     // without those
  uint64_t generation = 0;  // that has the change
};

// Thread-safe; changes are made one after the other. One that has returned is on the disk, and whoever asks for the
// open database from then on gets it; one that throws was not made, unless the error is of opening what it made. Then
// it is seen later. Throws Error: kUnavailable when another process is changing the database or the process is told to
// stop, kIo, kCorruption.
class DatabaseEditor {
 public:
  virtual ~DatabaseEditor() = default;
  // REQUIRES: not empty; ids that are not empty and all differ; texts that are not blank
  virtual DatabaseEdit Add(std::span<const Document> documents) = 0;
  // Throws Error(kNotFound) when the database has none of them.
  virtual DatabaseEdit Remove(const DocumentSelection& selection) = 0;
};

}  // namespace retro
