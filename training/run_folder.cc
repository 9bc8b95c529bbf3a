#include "training/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/file_tree.h"
#include "core/manifest.h"
#include "training/run_log.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "step-";
constexpr const char* kOptions = "options.json";

// The step of "step-000100"; nothing for other names.
std::optional<int64_t> StepOf(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (result.ec != std::errc() || result.ptr != end || step < 0) return std::nullopt;
  return step;
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    entries.push_back(at->path());
  }
  if (error) ThrowErrno(error.value(), "list the folder", folder.string());
  return entries;
}

void Rename(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) ThrowErrno(error.value(), "rename", from.string());
}

fs::path PutAside(const fs::path& checkpoint) {
  const fs::path aside = checkpoint.string() + ".damaged";
  RemoveAll(aside);
  Rename(checkpoint, aside);
  return aside;
}

void RefuseForeign(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error) || fs::exists(folder / kOptions, error)) return;
  if (!fs::is_directory(folder, error)) {
    Throw(ErrorCode::kInvalidArgument, "--out {}: is not a folder; give another one", folder.string());
  }
  for (const fs::path& entry : Entries(folder)) {
    // A run that was killed as it began leaves no more than these.
    if (entry.filename() != "lock" && entry.filename() != std::string(kOptions) + ".tmp") {
      Throw(ErrorCode::kInvalidArgument,
            "--out {}: holds files that no training run made; give a new or an empty folder", folder.string());
    }
  }
}

}  // namespace

RunFolder::RunFolder(const fs::path& folder) : folder_(folder) {
  RefuseForeign(folder_);
  MakeDirectories(folder_);
  lock_.emplace(folder_ / "lock");
  RemoveLeftOvers();
}

fs::path RunFolder::CheckpointPath(const fs::path& folder, int64_t step) {
  return folder / fmt::format("{}{:06}", kPrefix, step);
}

void RunFolder::SaveOptions(const nlohmann::json& options) const {
  WriteFileAtomically(folder_ / kOptions, options.dump(1) + "\n");
}

std::vector<CheckpointFolder> RunFolder::Checkpoints() const {
  std::vector<CheckpointFolder> found;
  for (const fs::path& entry : Entries(folder_)) {
    if (const auto step = StepOf(entry.filename().string())) found.push_back({*step, entry});
  }
  std::ranges::sort(found, {}, &CheckpointFolder::step);
  return found;
}

std::optional<CheckpointFolder> RunFolder::NewestGood() const {
  std::vector<CheckpointFolder> left = Checkpoints();
  if (left.empty()) return std::nullopt;
  std::string problems;
  for (; !left.empty(); left.pop_back()) {
    const CheckpointFolder& newest = left.back();
    try {
      Manifest::Load(newest.path, kCheckpointKind).VerifyFiles(newest.path, Manifest::Check::kChecksums);
      if (!problems.empty()) LogWarning(problems + "going on from the checkpoint before it, " + newest.path.string());
      return newest;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCorruption && error.code() != ErrorCode::kNotFound) throw;
      const fs::path aside = PutAside(newest.path);
      problems += fmt::format("damaged checkpoint ({}), put aside as {}; ", error.what(), aside.string());
    }
  }
  Throw(ErrorCode::kCorruption, "{}none is whole: restore one, or remove {} to begin again", problems,
        folder_.string());
}

void RunFolder::Prune(int64_t keep, std::optional<int64_t> best) const {
  std::vector<CheckpointFolder> checkpoints = Checkpoints();
  const size_t last = std::min(checkpoints.size(), static_cast<size_t>(keep));
  checkpoints.resize(checkpoints.size() - last);
  for (const CheckpointFolder& checkpoint : checkpoints) {
    if (checkpoint.step == best) continue;
    // Half removed it must not be taken for a damaged one.
    const fs::path removing = checkpoint.path.string() + ".removing";
    Rename(checkpoint.path, removing);
    RemoveAll(removing);
  }
}

void RunFolder::RemoveLeftOvers() const {
  for (const fs::path& entry : Entries(folder_)) {
    const std::string name = entry.filename().string();
    const bool ours = name.starts_with(kPrefix);
    if (ours && (name.ends_with(".removing") || name.ends_with(".building"))) RemoveAll(entry);
  }
}

}  // namespace retro
