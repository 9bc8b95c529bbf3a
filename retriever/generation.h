// What a retrieval database consists of at a moment: one part or several, each a complete database as a build makes it,
// and the documents that were removed since. Parts never change; a change of the database is a new generation, which
// takes the place of the old one when DIR/manifest.json is renamed over. Layout: docs/formats.md, "Generations".
//
//   DIR/manifest.json           kind "retrieval database": the one part is DIR itself, nothing was removed; or
//                               kind "generation": names the parts
//   DIR/parts/000003/           a part, with a manifest of its own
//   DIR/removed/000007.removed  the removed documents of generation 7
//   DIR/lock                    held by whoever changes the database
//
// Chunks and documents are numbered through all parts in their order: part i's chunk j is ChunkId first_chunk(i) + j.
// Removed ones keep their numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_stamp.h"
#include "core/ids.h"
#include "core/manifest.h"
#include "model/text_encoder.h"

namespace retro {

inline constexpr std::string_view kDatabaseKind = "retrieval database";
inline constexpr std::string_view kGenerationKind = "generation";

// The search setting that was chosen for a part after it was built (index-builder/search_tuner.h), and what it was
// measured to do.
struct TunedSearch {
  int nprobe = 0, ef_search = 0, rerank_factor = 0;  // as SearchOptions
  int k = 10;                                        // of the measurement
  double recall = 0;                                 // at k
  double median_ms = 0, p95_ms = 0;                  // of one search on one thread, without embedding the question

  nlohmann::json ToJson() const;
};

struct GenerationPart {
  std::filesystem::path folder;  // of the part; the database's own when it has no other
  std::string name;              // "parts/000003"; empty for the database's own folder
  std::string manifest_xxh3;     // of its manifest.json: parts of one hash are one part, wherever they lie
  uint64_t first_chunk = 0, num_chunks = 0;
  uint64_t first_document = 0, num_documents = 0;
  uint64_t num_tokens = 0;
  std::optional<TunedSearch> search;  // nothing: as measured when the part was built
};

// A record of the file of removed documents. Numbers are the part's own.
struct RemovedDocument {
  uint64_t part = 0;  // index in the generation's list
  uint64_t document = 0;
  uint64_t first_chunk = 0, num_chunks = 0;
  uint64_t num_tokens = 0;

  friend auto operator<=>(const RemovedDocument&, const RemovedDocument&) = default;
};

// Documents, chunks or tokens of which there are so many.
struct GenerationTotals {
  uint64_t documents = 0, chunks = 0, tokens = 0;
};

// A plain value.
struct DatabaseGeneration {
  uint64_t number = 0;     // 0: as built, never changed
  uint64_t next_part = 1;  // names of parts are not used again
  std::vector<GenerationPart> parts;
  std::vector<RemovedDocument> removed;  // sorted
  Manifest manifest;                     // DIR/manifest.json; its counts are of what is not removed
  FileStamp stamp;                       // of DIR/manifest.json

  // Throws Error(kNotFound, kCorruption) naming the file, kInvalidArgument when it is of a newer format version.
  static DatabaseGeneration Load(const std::filesystem::path& folder);
  // What Load would find at this moment. Nothing when there is no database.
  static std::optional<FileStamp> CurrentStamp(const std::filesystem::path& folder);

  GenerationTotals Totals() const;   // of all parts, removed documents included
  GenerationTotals Removed() const;  // of the removed ones

  // Writes the file of removed documents, then the manifest: from that moment on readers that open the database find
  // this generation. `number`, `parts`, `removed` and the manifest's options and fingerprints must be set; all else
  // is derived. Throws Error(kIo); then the generation before is whole.
  void Publish(const std::filesystem::path& folder);
};

// DIR/parts/000003
std::string PartName(uint64_t number);
// DIR/removed/000007.removed
std::string RemovedName(uint64_t generation);

// What the chunks of a database were embedded in: `embed_precision` of its fingerprints, fp32 where there is none.
// Chunks that are added later are embedded likewise; questions may be embedded in either. Throws Error(kCorruption).
EncoderPrecision EmbeddedIn(const Manifest& manifest);

// Throws Error(kInvalidArgument) showing both fingerprints when the manifest's of `part` ("tokenizer", "embedder") is
// not the given one.
void RequireFingerprint(const std::filesystem::path& folder, const Manifest& manifest, const char* part,
                        const std::string& given);

}  // namespace retro
