#include "index-builder/build_block.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <system_error>

#include "core/error.h"
#include "core/file_tree.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/log.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kManifestKind = "build block";

std::string NumberName(uint64_t number) { return fmt::format("{:05}", number); }

// Finished or unfinished, of whatever inputs.
std::vector<fs::path> FoldersOf(const fs::path& kind_folder, uint64_t number) {
  std::vector<fs::path> folders;
  std::error_code error;
  const std::string beginning = NumberName(number) + "-";
  for (const auto& entry : fs::directory_iterator(kind_folder, error)) {
    if (entry.path().filename().string().starts_with(beginning)) folders.push_back(entry.path());
  }
  if (error && error != std::errc::no_such_file_or_directory) ThrowErrno(error.value(), "list", kind_folder.string());
  return folders;
}

fs::path Prepared(const fs::path& folder) {
  MakeDirectories(folder);
  return folder;
}

}  // namespace

BuildBlock::BuildBlock(const fs::path& blocks_folder, std::string kind, uint64_t number, nlohmann::json inputs)
    : kind_folder_(blocks_folder / kind),
      kind_(std::move(kind)),
      number_(number),
      inputs_(std::move(inputs)),
      hash_(HashHex(fmt::format("{} {} {}", kind_, number_, inputs_.dump()))),
      folder_(kind_folder_ / fmt::format("{}-{}", NumberName(number_), hash_)) {}

std::optional<Manifest> BuildBlock::Load() const {
  if (!Manifest::Exists(folder_)) return std::nullopt;
  return Manifest::Load(folder_, kManifestKind);
}

std::optional<Manifest> BuildBlock::Find() const {
  try {
    std::optional<Manifest> manifest = Load();
    if (manifest) manifest->VerifyFiles(folder_, Manifest::Check::kChecksums);
    return manifest;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorruption && error.code() != ErrorCode::kNotFound) throw;
    spdlog::warn("{}: is made again: {}", folder_.string(), error.what());
    return std::nullopt;
  }
}

std::vector<std::string> BuildBlock::ChangedInputs() const {
  std::vector<std::string> changed;
  for (const fs::path& folder : FoldersOf(kind_folder_, number_)) {
    if (folder == folder_ || !Manifest::Exists(folder)) continue;
    try {
      const nlohmann::json before = Manifest::Load(folder, kManifestKind).options;
      for (const auto& [name, value] : inputs_.items()) {
        if (before.value(name, nlohmann::json()) != value) changed.push_back(name);
      }
    } catch (const Error& error) {
      spdlog::debug("{}", error.what());  // it is replaced in any case
    }
  }
  return changed;
}

BlockMaker::BlockMaker(const BuildBlock& block)
    : block_(block),
      lock_(Prepared(block.kind_folder_) / (NumberName(block.number()) + ".lock")),
      start_(std::chrono::steady_clock::now()) {
  ThrowIfInterrupted();
  for (const fs::path& old : FoldersOf(block.kind_folder_, block.number())) {
    RemoveAll(old / kManifestFile);  // first, so that no half of a block is taken for one
    RemoveAll(old);
  }
  MakeDirectories(folder());
}

void BlockMaker::Finish(nlohmann::json counts) {
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
  Manifest manifest;
  manifest.kind = kManifestKind;
  manifest.options = block_.inputs_;
  manifest.counts = std::move(counts);
  manifest.counts["seconds"] = taken.count();
  for (const auto& entry : fs::directory_iterator(folder())) manifest.AddFile(folder(), entry.path().filename());
  manifest.Save(folder());
}

std::vector<BuildBlock> MissingBlocks(std::span<const BuildBlock> blocks, const BuildShare& share, const char* what) {
  std::vector<BuildBlock> missing;
  std::set<std::string> changed;
  uint64_t there = 0, stale = 0;
  for (const BuildBlock& block : blocks) {
    if (!share.Has(block.number())) continue;
    if (block.Find()) {
      ++there;
      continue;
    }
    const std::vector<std::string> names = block.ChangedInputs();
    stale += !names.empty();
    changed.insert(names.begin(), names.end());
    missing.push_back(block);
  }
  if (there > 0) spdlog::info("{}: {} are there, {} are missing", what, there, missing.size());
  if (stale > 0) spdlog::info("{}: {} are made again (changed: {})", what, stale, fmt::join(changed, ", "));
  return missing;
}

Manifest RequireBlock(const BuildBlock& block, const char* stage) {
  if (auto manifest = block.Find()) return *std::move(manifest);
  Throw(ErrorCode::kNotFound,
        "{}: is not there yet; run retro index build --stage {} with every --shard first, or without --stage, which "
        "makes all that is missing",
        block.folder().string(), stage);
}

std::string HashOf(std::span<const BuildBlock> blocks) {
  Hasher hasher;
  for (const BuildBlock& block : blocks) hasher.Update(block.hash());
  return hasher.HexDigest();
}

}  // namespace retro
