// The document ids seen so far, as 64-bit hashes: 11 to 23 bytes a document, however long the ids are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace retro {

// An open-addressing set. Two different ids are taken for one with a chance of n^2 / 2^65 over n documents (one in
// four thousand at 10^8). One thread at a time.
class DocumentIds {
 public:
  DocumentIds() : slots_(1024) {}

  // False when the id was there before.
  bool Insert(std::string_view id) { return InsertHash(HashOf(id)); }

  size_t size() const { return size_; }

 private:
  static uint64_t HashOf(std::string_view id);
  bool InsertHash(uint64_t hash);
  void Grow();

  std::vector<uint64_t> slots_;  // 0: free
  size_t size_ = 0;
};

}  // namespace retro
