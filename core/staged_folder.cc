#include "core/staged_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>

#include "core/error.h"
#include "core/file_tree.h"
#include "core/manifest.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kLockName = "lock";

// Absolute, without a slash at the end: its name and its parent are needed.
fs::path Normalized(const fs::path& folder) {
  fs::path absolute = fs::absolute(folder).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  if (!absolute.has_filename()) {
    Throw(ErrorCode::kInvalidArgument, "{}: is not a folder that can be replaced; name one inside it", folder.string());
  }
  return absolute;
}

void RefuseForeignFolder(const fs::path& out) {
  std::error_code error;
  if (!fs::exists(out, error)) return;
  if (!fs::is_directory(out, error)) {
    Throw(ErrorCode::kInvalidArgument, "{}: is not a folder; give another --out", out.string());
  }
  if (!fs::is_empty(out, error) && !Manifest::Exists(out)) {
    Throw(ErrorCode::kInvalidArgument,
          "{}: holds files but no manifest.json, so it is left alone; give a new or an empty folder as --out",
          out.string());
  }
}

}  // namespace

StagedFolder::StagedFolder(const fs::path& out, Unpublished unpublished)
    : out_(Normalized(out)), staging_(StagingPath(out_)), unpublished_(unpublished) {
  RefuseForeignFolder(out_);
  MakeDirectories(staging_);
  lock_.emplace(staging_ / kLockName);
  if (fs::exists(out_ / kLockName)) out_lock_.emplace(out_ / kLockName);
}

StagedFolder::~StagedFolder() {
  if (!lock_.has_value() || unpublished_ == Unpublished::kKeep) return;
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
}

void StagedFolder::Clear() {
  for (const auto& entry : fs::directory_iterator(staging_)) {
    if (entry.path().filename() != kLockName) RemoveAll(entry.path());
  }
}

void StagedFolder::Publish() {
  RemoveAll(staging_ / kLockName);
  const bool replaces = fs::exists(out_);
  const unsigned flags = replaces ? RENAME_EXCHANGE : 0;
  if (renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, out_.c_str(), flags) != 0) {
    ThrowErrno(errno, fmt::format("put the finished folder {} in the place of", staging_.string()), out_.string());
  }
  SyncDirectory(out_.parent_path());
  lock_.reset();
  if (replaces) RemoveAll(staging_);
}

StagedFolderWorker::StagedFolderWorker(const fs::path& out) : staging_(StagingPath(out)) {
  RefuseForeignFolder(Normalized(out));
  MakeDirectories(staging_);
  const fs::path lock = staging_ / kLockName;
  std::ofstream(lock, std::ios::app).flush();  // made if missing
  lease_ = FileLease::Take(lock);
  if (lease_) return;
  Throw(ErrorCode::kUnavailable, "{} is locked: another job is finishing this folder; wait until it has ended",
        lock.string());
}

fs::path StagingPath(const fs::path& out) { return Normalized(out).string() + ".building"; }

}  // namespace retro
