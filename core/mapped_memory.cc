#include "core/mapped_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace retro {
namespace {

// At 10 GB/s, what page faults reach at most, 50 MB are read between two looks.
constexpr std::chrono::milliseconds kInterval(5);

struct Ranges {
  std::mutex mutex;
  std::unordered_map<const void*, size_t> bytes;  // by where they begin
};

// Never destroyed: files may be mapped by objects that live as long as the process.
Ranges& AllRanges() {
  static auto* ranges = new Ranges;
  return *ranges;
}

// The lock keeps ranges mapped meanwhile: elsewhere something else may lie a moment later.
void ReleaseAll() {
  Ranges& ranges = AllRanges();
  const std::lock_guard lock(ranges.mutex);
  for (const auto& [begin, bytes] : ranges.bytes) ::madvise(const_cast<void*>(begin), bytes, MADV_DONTNEED);
}

}  // namespace

struct MappedMemoryLimit::State {
  explicit State(size_t bytes) : limit(ResidentMappedBytes() + bytes), thread([this] { Run(); }) {}

  ~State() {
    {
      const std::lock_guard lock(mutex);
      ends = true;
    }
    wakes.notify_all();
    thread.join();
  }

  void Run() {
    std::unique_lock lock(mutex);
    while (!wakes.wait_for(lock, kInterval, [this] { return ends; })) {
      if (ResidentMappedBytes() > limit) ReleaseAll();
    }
  }

  size_t limit;
  std::mutex mutex;
  std::condition_variable wakes;
  bool ends = false;
  std::thread thread;
};

MappedMemoryLimit::MappedMemoryLimit(size_t bytes) : state_(std::make_unique<State>(bytes)) {}
MappedMemoryLimit::~MappedMemoryLimit() = default;

size_t ResidentMappedBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  size_t shared = 0;
  const int found = std::fscanf(file, "%*u %*u %zu", &shared);
  std::fclose(file);
  return found == 1 ? shared * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

void AddMappedRange(const void* begin, size_t bytes) {
  Ranges& ranges = AllRanges();
  const std::lock_guard lock(ranges.mutex);
  ranges.bytes.emplace(begin, bytes);
}

void RemoveMappedRange(const void* begin) {
  Ranges& ranges = AllRanges();
  const std::lock_guard lock(ranges.mutex);
  ranges.bytes.erase(begin);
}

}  // namespace retro
