// The unit of a build: a folder whose files follow from known inputs. Its name carries their hash, so whoever wants it
// finds it finished or makes it, and a block of other inputs is never taken for it. Internal to index-builder.
//
//   BUILD/blocks/KIND/00012-0123456789abcdef/    the block's files, and a manifest.json that is written last
//   BUILD/blocks/KIND/00012.lock                 locked (flock) by the worker that makes block 12
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/manifest.h"

namespace retro {

// Which blocks a worker makes: every count-th, from its own number on.
struct BuildShare {
  uint32_t index = 0, count = 1;
  bool Has(uint64_t block) const { return block % count == index; }
  friend bool operator==(const BuildShare&, const BuildShare&) = default;
};
inline constexpr BuildShare kAllBlocks{};

// Copies name the same block. One thread at a time; different processes may ask for and make different blocks.
class BuildBlock {
 public:
  // `inputs`: all that the contents depend on, as a flat object; its names are told to people.
  BuildBlock(const std::filesystem::path& blocks_folder, std::string kind, uint64_t number, nlohmann::json inputs);

  uint64_t number() const { return number_; }
  const std::string& hash() const { return hash_; }  // of kind, number and inputs
  const std::filesystem::path& folder() const { return folder_; }

  // Its manifest, when it is finished and every file has its checksum; one that is damaged is as good as missing, and
  // the log says so. Throws Error(kIo).
  std::optional<Manifest> Find() const;
  // Its manifest, when it is finished, without a look at the other files.
  std::optional<Manifest> Load() const;
  // The names of the inputs in which finished blocks of this number differ from it.
  std::vector<std::string> ChangedInputs() const;

 private:
  friend class BlockMaker;
  std::filesystem::path kind_folder_;
  std::string kind_;
  uint64_t number_;
  nlohmann::json inputs_;
  std::string hash_;
  std::filesystem::path folder_;
};

// A block in the making.
class BlockMaker {
 public:
  // Takes the lock, removes what there is of this number, and makes the empty folder. Throws Error(kUnavailable) when
  // another worker makes it just now or when interrupted, kIo.
  explicit BlockMaker(const BuildBlock& block);

  const std::filesystem::path& folder() const { return block_.folder(); }
  // Records every file in the folder, with `counts` and the seconds since the construction: the block is there.
  void Finish(nlohmann::json counts);

 private:
  BuildBlock block_;
  FileLock lock_;
  std::chrono::steady_clock::time_point start_;
};

// Those of a share that are not there. Logs, by `what` ("embedding blocks"), how many are, and why others are not
// where there are such of other inputs.
std::vector<BuildBlock> MissingBlocks(std::span<const BuildBlock> blocks, const BuildShare& share, const char* what);

// The manifest of a block that a later stage needs. Throws Error(kNotFound) with what to do when it is not there.
Manifest RequireBlock(const BuildBlock& block, const char* stage);

// One hash for several, in their order.
std::string HashOf(std::span<const BuildBlock> blocks);

}  // namespace retro
