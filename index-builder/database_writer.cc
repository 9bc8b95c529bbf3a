#include "index-builder/database_writer.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/file_lease.h"
#include "core/file_tree.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kLockFile = "lock";
constexpr const char* kPartsFolder = "parts";
constexpr const char* kRemovedFolder = "removed";
constexpr const char* kBuilding = ".building";
constexpr const char* kIncomingFile = "incoming.jsonl";
// What a build puts beside its manifest.
constexpr const char* kBuiltNames[] = {"chunks", "embeddings", "embeddings8", "vectors.index", "lexical", "corpus"};

std::vector<fs::path> EntriesOf(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) entries.push_back(entry.path());
  if (error && error != std::errc::no_such_file_or_directory) ThrowErrno(error.value(), "list", folder.string());
  return entries;
}

// The folder itself, without a slash at its end: its name is wanted.
fs::path Normalized(const fs::path& folder) {
  const fs::path normal = fs::absolute(folder).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

}  // namespace

DatabaseWriter::DatabaseWriter(const fs::path& folder, StepFunction on_step)
    : folder_(Normalized(folder)), on_step_(std::move(on_step)) {
  DatabaseGeneration::Load(folder_);  // refuses a folder that is no database before a lock is put into it
  const fs::path build_lock = fs::path(folder_.string() + kBuilding) / kLockFile;
  if (fs::exists(build_lock)) const FileLock not_being_built(build_lock);
  lock_.emplace(folder_ / kLockFile);
  current_ = DatabaseGeneration::Load(folder_);
}

fs::path DatabaseWriter::IncomingFile() const { return folder_ / kIncomingFile; }

DatabaseGeneration DatabaseWriter::Begin() {
  DatabaseGeneration next = current_;
  if (next.number > 0) return next;
  GenerationPart& part = next.parts.front();
  part.name = PartName(0);
  part.folder = folder_ / part.name;
  LinkPart(folder_, part.folder);
  next.manifest.stages = {};
  next.manifest.counts.erase("seconds");
  Step("links");
  return next;
}

// The manifest comes last: a part without one is no part.
void DatabaseWriter::LinkPart(const fs::path& from, const fs::path& to) const {
  RemoveAll(to);
  MakeDirectories(to);
  for (const char* name : kBuiltNames) LinkTree(from / name, to / name);
  LinkOrCopy(from / kManifestFile, to / kManifestFile);
  SyncDirectory(to);
}

void DatabaseWriter::AddNextPart(DatabaseGeneration& next, const Manifest& manifest) const {
  GenerationPart part;
  part.name = PartName(next.next_part++);
  part.folder = folder_ / part.name;
  part.num_chunks = manifest.counts.at("chunks").get<uint64_t>();
  part.num_documents = manifest.counts.at("documents").get<uint64_t>();
  part.num_tokens = manifest.counts.at("tokens").get<uint64_t>();
  next.parts.push_back(std::move(part));
}

void DatabaseWriter::Publish(DatabaseGeneration next) {
  ++next.number;
  next.Publish(folder_);
  current_ = DatabaseGeneration::Load(folder_);
  Step("generation");
}

uint64_t DatabaseWriter::CleanUp(bool keep_next) {
  RemoveAll(folder_ / (std::string(kManifestFile) + ".tmp"));
  RemoveAll(IncomingFile().string() + ".tmp");
  if (!keep_next) RemoveAll(IncomingFile());
  const fs::path removed_documents = folder_ / RemovedName(current_.number);
  for (const fs::path& file : EntriesOf(folder_ / kRemovedFolder)) {
    if (current_.removed.empty() || file != removed_documents) RemoveAll(file);
  }
  const uint64_t still_read = CleanUpParts(keep_next);
  if (current_.number > 0) {
    for (const char* name : kBuiltNames) RemoveAll(folder_ / name);  // they have another name in part 0
  }
  Step("cleaned");
  return still_read;
}

uint64_t DatabaseWriter::CleanUpParts(bool keep_next) const {
  uint64_t still_read = 0;
  for (const fs::path& entry : EntriesOf(folder_ / kPartsFolder)) {
    const bool named = std::ranges::any_of(current_.parts, [&](const auto& part) { return part.folder == entry; });
    const bool is_next = entry == NextPart() || entry == fs::path(NextPart().string() + kBuilding);
    if (named || (keep_next && is_next)) continue;
    const auto lease = FileLease::TakeAlone(entry / kManifestFile);
    if (!lease && fs::exists(entry / kManifestFile)) {
      ++still_read;
      continue;
    }
    RemoveAll(entry);
  }
  return still_read;
}

}  // namespace retro
