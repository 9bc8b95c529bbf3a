// A bound on how much of mapped files a process keeps in memory.
#pragma once

#include <cstddef>
#include <memory>

namespace retro {

// While one lives, the pages of all MappedFiles of this process are given back to the system whenever more than `bytes`
// of mapped files are resident, beyond what was when it began: a thread looks every few milliseconds. Such pages stay
// in the system's cache as long as it has room and come back when they are touched, so nothing changes but time. For
// jobs that keep a promise about their memory and go through files larger than it. Several may live at once; threads
// may use mapped files meanwhile. Does nothing where /proc is not mounted.
class MappedMemoryLimit {
 public:
  explicit MappedMemoryLimit(size_t bytes);
  ~MappedMemoryLimit();
  MappedMemoryLimit(const MappedMemoryLimit&) = delete;
  MappedMemoryLimit& operator=(const MappedMemoryLimit&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Bytes of mapped files (libraries too) that are resident in this process; 0 where /proc is not mounted.
size_t ResidentMappedBytes();

// What MappedFile tells: a range that is mapped from now on, and one that is not any more.
void AddMappedRange(const void* begin, size_t bytes);
void RemoveMappedRange(const void* begin);

}  // namespace retro
