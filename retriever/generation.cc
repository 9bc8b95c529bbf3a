#include "retriever/generation.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/record_file.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr RecordFormat kRemovedFormat{.kind = "removed", .version = 1, .record_bytes = sizeof(RemovedDocument)};

std::string Recorded(const nlohmann::json& section, const char* name) {
  const auto found = section.find(name);
  if (found == section.end()) return "(not recorded)";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

[[noreturn]] void Refuse(const fs::path& folder, std::string_view what) {
  Throw(ErrorCode::kCorruption, "{}: {}; restore the database from a copy, or build it again",
        (folder / kManifestFile).string(), what);
}

bool IsPartName(const std::string& name) {
  constexpr std::string_view kPrefix = "parts/";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         std::all_of(name.begin() + kPrefix.size(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Of either kind.
Manifest LoadManifest(const fs::path& folder) {
  try {
    return Manifest::Load(folder, kGenerationKind);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorruption) throw;
    return Manifest::Load(folder, kDatabaseKind);
  }
}

GenerationPart OwnPart(const fs::path& folder, const Manifest& manifest) {
  GenerationPart part;
  part.folder = folder;
  part.manifest_xxh3 = HashFile(folder / kManifestFile);
  part.num_chunks = manifest.counts.value("chunks", uint64_t{0});
  part.num_documents = manifest.counts.value("documents", uint64_t{0});
  part.num_tokens = manifest.counts.value("tokens", uint64_t{0});
  return part;
}

TunedSearch ReadTunedSearch(const nlohmann::json& json) {
  return {.nprobe = std::max(0, json.at("nprobe").get<int>()),
          .ef_search = std::max(0, json.at("ef_search").get<int>()),
          .rerank_factor = std::max(0, json.at("rerank_factor").get<int>()),
          .k = json.at("k").get<int>(),
          .recall = json.at("recall").get<double>(),
          .median_ms = json.at("median_ms").get<double>(),
          .p95_ms = json.at("p95_ms").get<double>()};
}

void ReadParts(const fs::path& folder, DatabaseGeneration& generation) {
  GenerationPart next;
  for (const nlohmann::json& entry : generation.manifest.counts.at("parts")) {
    GenerationPart part;
    part.name = entry.at("name").get<std::string>();
    if (!IsPartName(part.name)) Refuse(folder, fmt::format("'{}' is no name of a part", part.name));
    part.folder = folder / part.name;
    part.manifest_xxh3 = generation.manifest.inputs.at(part.name + "/" + kManifestFile).at("xxh3").get<std::string>();
    part.first_chunk = entry.at("first_chunk").get<uint64_t>();
    part.num_chunks = entry.at("chunks").get<uint64_t>();
    part.first_document = entry.at("first_document").get<uint64_t>();
    part.num_documents = entry.at("documents").get<uint64_t>();
    part.num_tokens = entry.at("tokens").get<uint64_t>();
    if (entry.contains("search")) part.search = ReadTunedSearch(entry.at("search"));
    if (part.first_chunk != next.first_chunk || part.first_document != next.first_document) {
      Refuse(folder, fmt::format("the numbers of {} do not follow those of the part before it", part.name));
    }
    next.first_chunk += part.num_chunks;
    next.first_document += part.num_documents;
    generation.parts.push_back(std::move(part));
  }
  if (generation.parts.empty()) Refuse(folder, "it names no part");
}

void ReadRemoved(const fs::path& folder, DatabaseGeneration& generation) {
  const std::string name = RemovedName(generation.number);
  if (!generation.manifest.files.contains(name)) return;
  generation.manifest.VerifyFiles(folder, Manifest::Check::kChecksums);
  const RecordFile file(folder / name, kRemovedFormat);
  const auto records = file.Records<RemovedDocument>();
  generation.removed.assign(records.begin(), records.end());
  for (const RemovedDocument& document : generation.removed) {
    const bool known = document.part < generation.parts.size() &&
                       document.document < generation.parts[document.part].num_documents &&
                       document.first_chunk <= generation.parts[document.part].num_chunks &&
                       document.num_chunks <= generation.parts[document.part].num_chunks - document.first_chunk;
    if (!known) {
      Throw(ErrorCode::kCorruption, "{}: removes document {} of part {}, which is not there; restore the file",
            (folder / name).string(), document.document, document.part);
    }
  }
  if (!std::ranges::is_sorted(generation.removed)) {
    Throw(ErrorCode::kCorruption, "{}: is not in order; restore the file", (folder / name).string());
  }
}

DatabaseGeneration LoadOnce(const fs::path& folder) {
  DatabaseGeneration generation;
  generation.manifest = LoadManifest(folder);
  try {
    if (generation.manifest.kind == kDatabaseKind) {
      generation.parts.push_back(OwnPart(folder, generation.manifest));
      return generation;
    }
    generation.number = generation.manifest.counts.at("generation").get<uint64_t>();
    generation.next_part = generation.manifest.counts.at("next_part").get<uint64_t>();
    ReadParts(folder, generation);
    ReadRemoved(folder, generation);
  } catch (const nlohmann::json::exception& error) {
    Refuse(folder, fmt::format("it is not the manifest of a generation ({})", error.what()));
  }
  return generation;
}

nlohmann::json ToJson(const GenerationTotals& totals) {
  return {{"documents", totals.documents}, {"chunks", totals.chunks}, {"tokens", totals.tokens}};
}

void WriteRemoved(const fs::path& folder, DatabaseGeneration& generation) {
  generation.manifest.files = nlohmann::json::object();
  if (generation.removed.empty()) return;
  const std::string name = RemovedName(generation.number);
  MakeDirectories((folder / name).parent_path());
  RecordFileWriter writer(folder / name, kRemovedFormat);
  writer.Append(std::span<const RemovedDocument>(generation.removed));
  writer.Finish();
  generation.manifest.AddFile(folder, name);
}

}  // namespace

nlohmann::json TunedSearch::ToJson() const {
  return {{"nprobe", nprobe}, {"ef_search", ef_search}, {"rerank_factor", rerank_factor},
          {"k", k},           {"recall", recall},       {"median_ms", median_ms},
          {"p95_ms", p95_ms}};
}

DatabaseGeneration DatabaseGeneration::Load(const fs::path& folder) {
  // A writer may put another manifest in the place of the one that is being read, and remove what only the old one
  // names.
  for (;;) {
    const auto before = CurrentStamp(folder);
    try {
      DatabaseGeneration generation = LoadOnce(folder);
      if (before != CurrentStamp(folder)) continue;
      generation.stamp = before.value();
      return generation;
    } catch (const Error&) {
      if (before == CurrentStamp(folder)) throw;
    }
  }
}

std::optional<FileStamp> DatabaseGeneration::CurrentStamp(const fs::path& folder) {
  return FileStamp::Of(folder / kManifestFile);
}

GenerationTotals DatabaseGeneration::Totals() const {
  GenerationTotals totals;
  for (const GenerationPart& part : parts) {
    totals.documents += part.num_documents;
    totals.chunks += part.num_chunks;
    totals.tokens += part.num_tokens;
  }
  return totals;
}

GenerationTotals DatabaseGeneration::Removed() const {
  GenerationTotals totals;
  for (const RemovedDocument& document : removed) {
    ++totals.documents;
    totals.chunks += document.num_chunks;
    totals.tokens += document.num_tokens;
  }
  return totals;
}

void DatabaseGeneration::Publish(const fs::path& folder) {
  std::ranges::sort(removed);
  manifest.kind = kGenerationKind;
  manifest.inputs = nlohmann::json::object();
  nlohmann::json entries = nlohmann::json::array();
  GenerationPart next;
  for (GenerationPart& part : parts) {
    part.first_chunk = next.first_chunk;
    part.first_document = next.first_document;
    next.first_chunk += part.num_chunks;
    next.first_document += part.num_documents;
    manifest.AddInput(part.name, folder / part.name);
    entries.push_back({{"name", part.name},
                       {"first_chunk", part.first_chunk},
                       {"chunks", part.num_chunks},
                       {"first_document", part.first_document},
                       {"documents", part.num_documents},
                       {"tokens", part.num_tokens}});
    if (part.search) entries.back()["search"] = part.search->ToJson();
  }
  WriteRemoved(folder, *this);
  const GenerationTotals all = Totals(), gone = Removed();
  manifest.counts.update({{"generation", number},
                          {"next_part", next_part},
                          {"parts", entries},
                          {"removed", ToJson(gone)},
                          {"documents", all.documents - gone.documents},
                          {"chunks", all.chunks - gone.chunks},
                          {"tokens", all.tokens - gone.tokens}});
  manifest.Save(folder);
}

std::string PartName(uint64_t number) { return fmt::format("parts/{:06}", number); }
std::string RemovedName(uint64_t generation) { return fmt::format("removed/{:06}.removed", generation); }

EncoderPrecision EmbeddedIn(const Manifest& manifest) {
  const nlohmann::json recorded = manifest.fingerprints.value("embed_precision", nlohmann::json("fp32"));
  for (const auto precision : {EncoderPrecision::kFp32, EncoderPrecision::kInt8}) {
    if (recorded == EncoderPrecisionName(precision)) return precision;
  }
  Throw(ErrorCode::kCorruption,
        "the manifest says that its chunks were embedded in {}: a newer retro made it, use that", recorded.dump());
}

void RequireFingerprint(const fs::path& folder, const Manifest& manifest, const char* part, const std::string& given) {
  const std::string recorded = Recorded(manifest.fingerprints, part);
  if (recorded == given) return;
  Throw(ErrorCode::kInvalidArgument,
        "{} was built with another {}: its fingerprint is {}, that of the given one {}; give the one that it was built "
        "with, or build the database again",
        folder.string(), part, recorded, given);
}

}  // namespace retro
