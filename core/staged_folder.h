// A folder that is replaced as a whole: what is being made lies beside it, in OUT.building, until it is complete.
// Killed half-way, OUT is what it was and OUT.building is where the next run goes on.
#pragma once

#include <filesystem>
#include <optional>

#include "core/file.h"
#include "core/file_lease.h"

namespace retro {

// One thread at a time; one process at a time, by a lock inside the staging folder, and by that of `out` itself where
// folders of its kind are changed in place and so have one.
class StagedFolder {
 public:
  // What becomes of a staging folder that was not published: kept for the next run to go on from, or removed.
  enum class Unpublished { kKeep, kRemove };

  // Makes and locks OUT.building, keeping what an interrupted run left in it. Throws Error: kUnavailable when another
  // process is building the same folder, kInvalidArgument when `out` holds files but no manifest (it is not ours to
  // replace), kIo.
  StagedFolder(const std::filesystem::path& out, Unpublished unpublished);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  const std::filesystem::path& path() const { return staging_; }

  // Removes everything in the staging folder.
  void Clear();

  // Puts the staging folder in the place of `out` in one step and removes what was there. Throws Error(kIo); then
  // `out` is unchanged and the staging folder is still there. The object is of no further use.
  void Publish();

 private:
  std::filesystem::path out_, staging_;
  Unpublished unpublished_;
  std::optional<FileLock> lock_, out_lock_;
};

// The place of one of several workers in the staging folder of `out`. While any of them is there no StagedFolder of it
// can be made, and the other way round.
class StagedFolderWorker {
 public:
  // Makes OUT.building where it is missing. Throws Error: as StagedFolder does.
  explicit StagedFolderWorker(const std::filesystem::path& out);

  const std::filesystem::path& path() const { return staging_; }

 private:
  std::filesystem::path staging_;
  std::optional<FileLease> lease_;
};

// OUT.building, whether it is there or not.
std::filesystem::path StagingPath(const std::filesystem::path& out);

}  // namespace retro
