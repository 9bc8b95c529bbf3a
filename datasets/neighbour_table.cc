#include "datasets/neighbour_table.h"

#include <fmt/ranges.h>

#include <vector>

#include "core/error.h"
#include "core/hash.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kKind = "neighbour table";
constexpr const char* kStem = "neighbours";
constexpr const char* kCorpusInput = "corpus";
constexpr const char* kDatabaseInput = "database";

[[noreturn]] void Refuse(const fs::path& folder, std::string_view what) {
  Throw(ErrorCode::kCorruption, "{}: {}; build the neighbour table again", folder.string(), what);
}

// The hash of the folder that the table was made from, as its manifest has it.
std::string RecordedHash(const Manifest& manifest, const std::string& name) {
  return manifest.inputs.value(name + "/manifest.json", nlohmann::json::object()).value("xxh3", "(not recorded)");
}

uint32_t Option(const fs::path& folder, const Manifest& manifest, const char* name) {
  const auto option = manifest.options.find(name);
  if (option == manifest.options.end() || !option->is_number_unsigned() || *option > UINT32_MAX || *option == 0) {
    Refuse(folder, fmt::format("its manifest has no number {}", name));
  }
  return option->get<uint32_t>();
}

// The table's own files, by checksum: candidates may lie beside them and are nobody's business here.
void VerifyTable(const fs::path& folder, const Manifest& manifest) {
  for (const auto& path : {NeighbourIdsPath(kStem), NeighbourDistancesPath(kStem)}) {
    if (!manifest.files.contains(path.string())) Refuse(folder, "its manifest lacks " + path.string());
  }
  manifest.VerifyFiles(folder, Manifest::Check::kChecksums);
}

// Appends what to say when the folder that is given is not the one that was used.
void CompareInput(const Manifest& manifest, const std::string& name, const fs::path& given,
                  std::vector<std::string>& differences) {
  const std::string recorded = RecordedHash(manifest, name), hash = HashFile(given / "manifest.json");
  if (recorded == hash) return;
  differences.push_back(
      fmt::format("from another {} (of manifest {}; that of {} is {})", name, recorded, given.string(), hash));
}

}  // namespace

Manifest NeighbourTableManifest(const NeighbourTableOrigin& origin) {
  if (origin.chunk_len == 0 || origin.seq_len == 0 || origin.seq_len % origin.chunk_len != 0) {
    Throw(ErrorCode::kInvalidArgument, "sequences of {} tokens cannot be cut into chunks of {}: give a multiple of it",
          origin.seq_len, origin.chunk_len);
  }
  if (origin.k == 0 || origin.k > kMaxNeighbours) {
    Throw(ErrorCode::kInvalidArgument, "k {}: must be 1 to {}", origin.k, kMaxNeighbours);
  }
  Manifest manifest;
  manifest.kind = kKind;
  manifest.AddInput(kCorpusInput, origin.corpus);
  manifest.AddInput(kDatabaseInput, origin.database);
  manifest.options = {
      {"part", origin.part}, {"seq_len", origin.seq_len}, {"chunk_len", origin.chunk_len}, {"k", origin.k}};
  return manifest;
}

NeighbourTableWriter::NeighbourTableWriter(const fs::path& folder, Manifest manifest)
    : folder_(folder), manifest_(std::move(manifest)), rows_(folder / kStem, Option(folder, manifest_, "k")) {}

Manifest NeighbourTableWriter::Finish(const nlohmann::json& counts) {
  rows_.Finish();
  manifest_.counts["rows"] = rows_.num_rows();
  manifest_.counts.update(counts);
  for (const auto& path : {NeighbourIdsPath(kStem), NeighbourDistancesPath(kStem)}) {
    manifest_.AddFile(folder_, path.string());
  }
  manifest_.Save(folder_);
  return manifest_;
}

NeighbourTable::NeighbourTable(const fs::path& folder)
    : folder_(folder),
      manifest_(Manifest::Load(folder, kKind)),
      k_(Option(folder, manifest_, "k")),
      seq_len_(Option(folder, manifest_, "seq_len")),
      chunk_len_(Option(folder, manifest_, "chunk_len")) {
  VerifyTable(folder, manifest_);
  if (k_ > kMaxNeighbours || seq_len_ % chunk_len_ != 0) Refuse(folder, "the shape in its manifest is impossible");
  rows_.emplace(folder / kStem, k_);
  if (manifest_.counts.value("rows", nlohmann::json()) != num_rows() || num_rows() % chunks_per_sequence() != 0) {
    Refuse(folder, fmt::format("{} rows are not what its manifest says", num_rows()));
  }
}

void NeighbourTable::RequireMadeFrom(const fs::path& corpus, const std::string& part, uint32_t seq_len,
                                     const fs::path& database) const {
  std::vector<std::string> differences;
  CompareInput(manifest_, kCorpusInput, corpus, differences);
  if (const std::string made = manifest_.options.value("part", "(not recorded)"); made != part) {
    differences.push_back(fmt::format("from part \"{}\", not \"{}\"", made, part));
  }
  if (seq_len != seq_len_) differences.push_back(fmt::format("for sequences of {} tokens, not {}", seq_len_, seq_len));
  CompareInput(manifest_, kDatabaseInput, database, differences);
  if (differences.empty()) return;
  Throw(ErrorCode::kInvalidArgument,
        "{}: this neighbour table was made {}; give the ones that it was made from, or build it again with retro "
        "neighbours build",
        folder_.string(), fmt::join(differences, ", and "));
}

}  // namespace retro
