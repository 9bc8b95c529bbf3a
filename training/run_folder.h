// The folder of a run: its checkpoints step-000100/, metrics.jsonl, tensorboard/ and options.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "core/file.h"

namespace retro {

struct CheckpointFolder {
  int64_t step = 0;
  std::filesystem::path path;
};

// One process at a time, by a lock. One thread at a time.
class RunFolder {
 public:
  static constexpr const char* kCheckpointKind = "training checkpoint";

  // Makes the folder where it is missing and removes what a killed process left half-done. Throws Error:
  // kInvalidArgument when it holds files that no run made, kUnavailable when another process trains in it, kIo.
  explicit RunFolder(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path CheckpointPath(int64_t step) const { return CheckpointPath(folder_, step); }
  static std::filesystem::path CheckpointPath(const std::filesystem::path& folder, int64_t step);
  void SaveOptions(const nlohmann::json& options) const;

  // The newest checkpoint whose every file has the checksum that its manifest lists. A later one that has not is named
  // in a warning and put aside as step-….damaged. Throws Error(kCorruption) when there are checkpoints and none is
  // good.
  std::optional<CheckpointFolder> NewestGood() const;

  // Removes all but the last `keep` checkpoints and that of step `best`.
  void Prune(int64_t keep, std::optional<int64_t> best) const;

  std::vector<CheckpointFolder> Checkpoints() const;  // oldest first

 private:
  void RemoveLeftOvers() const;

  std::filesystem::path folder_;
  std::optional<FileLock> lock_;
};

}  // namespace retro
