// Calls of the operating system that fail on purpose. What links fault_injection.cc has its own write, fsync, rename,
// open and the like in the place of the C library's, for all code of the process, RocksDB's and libstdc++'s included.
#pragma once

#include <cstdint>
#include <string>

namespace retro {

struct Fault {
  enum class Call { kNone, kWrite, kSync, kRename, kOpen };  // kOpen: for writing; making folders too
  enum class Kind {
    kNoSpace,     // ENOSPC, once
    kIoError,     // EIO, once
    kShortWrite,  // half of the bytes are written, then ENOSPC, once
    kFullDisk,    // ENOSPC from there on, for writing and opening
  };
  Call call = Call::kNone;
  Kind kind = Kind::kIoError;
  uint64_t number = 0;  // of the call that fails, from 1; 0: calls are only counted
  std::string folder;   // only calls on paths that begin with this count
};

struct FaultReport {
  uint64_t calls = 0;  // of the kind of call that was to fail
  std::string path;    // of the first one that failed; empty: none did
};

// Begins to count. Not to be called while other threads write.
void SetFault(const Fault& fault);
// Ends it: from here on all calls do what they should.
FaultReport ClearFault();

// Sets the fault for as long as it lives.
class FaultScope {
 public:
  explicit FaultScope(const Fault& fault) { SetFault(fault); }
  ~FaultScope() { ClearFault(); }
  FaultScope(const FaultScope&) = delete;
  FaultScope& operator=(const FaultScope&) = delete;
};

}  // namespace retro
