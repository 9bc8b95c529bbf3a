// Whoever changes a database holds one of these: the lock, the generation that the change begins from, and the
// publishing of the next one. Internal to index-builder; retriever/generation.h says what lies where.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

#include "core/file.h"
#include "retriever/generation.h"

namespace retro {

// One thread at a time. A process that dies at any moment leaves the old generation whole, or the new one; what else it
// leaves is removed by the next writer's CleanUp.
class DatabaseWriter {
 public:
  // Called after each durable step with its name; what it throws ends the change, as a kill would.
  using StepFunction = std::function<void(std::string_view step)>;

  // Takes the lock. Throws Error: kUnavailable when another process changes the database or builds it anew, kNotFound,
  // kCorruption.
  DatabaseWriter(const std::filesystem::path& folder, StepFunction on_step);

  const std::filesystem::path& folder() const { return folder_; }
  const DatabaseGeneration& current() const { return current_; }
  // Where the next part has to be built.
  std::filesystem::path NextPart() const { return folder_ / PartName(current_.next_part); }

  // Where documents stand that are being added and are in no file of their own.
  std::filesystem::path IncomingFile() const;

  // The current generation to change. A database as it was built becomes part 0 of it: its files get a second name
  // under parts/000000 and are not copied, where the file system can do that.
  DatabaseGeneration Begin();
  // Gives the files of a part second names in `to`, which is made anew; the manifest comes last. Copies where the file
  // system has no hard links.
  void LinkPart(const std::filesystem::path& from, const std::filesystem::path& to) const;
  // Adds the finished folder NextPart() to a generation.
  void AddNextPart(DatabaseGeneration& next, const Manifest& manifest) const;
  // Numbers the generation and puts it in the place of the current one.
  void Publish(DatabaseGeneration next);

  // Removes what no generation needs: parts that are not named and that no reader has open, what killed writers left,
  // old files of removed documents and of incoming ones. Returns the number of parts that had to stay for their
  // readers. `keep_next`: what is at NextPart(), finished or not, and the incoming file stay too, so that the same work
  // can go on.
  uint64_t CleanUp(bool keep_next);

  void Step(std::string_view name) const {
    if (on_step_) on_step_(name);
  }

 private:
  uint64_t CleanUpParts(bool keep_next) const;

  std::filesystem::path folder_;
  StepFunction on_step_;
  std::optional<FileLock> lock_;
  DatabaseGeneration current_;
};

}  // namespace retro
