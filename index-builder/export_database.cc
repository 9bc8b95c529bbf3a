#include "index-builder/export_database.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/npy.h"
#include "index-builder/living_chunks.h"
#include "retriever/database_part.h"
#include "retriever/passage_text.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

nlohmann::ordered_json ChunkToJson(const ChunkRecord& chunk, const DocumentInfo& document, const Tokenizer& tokenizer) {
  return {{"chunk", chunk.id.value},   {"document", document.id},    {"title", document.title},
          {"source", document.source}, {"url", document.url},        {"licence", document.licence},
          {"date", document.date},     {"position", chunk.position}, {"text", PassageText(tokenizer, chunk.tokens)},
          {"tokens", chunk.tokens}};
}

uint64_t WriteChunkLines(const fs::path& folder, const Tokenizer& tokenizer, const fs::path& file) {
  const auto chunks = OpenChunks(folder, tokenizer.fingerprint());
  AtomicFile lines(file);
  uint64_t count = 0;
  ForEachLivingChunk(*chunks, [&](const ChunkRecord& chunk, const DocumentInfo& document) {
    const auto json = ChunkToJson(chunk, document, tokenizer);
    lines.Append(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    ++count;
  });
  lines.Finish();
  return count;
}

class EmbeddingExport {
 public:
  EmbeddingExport(const fs::path& folder, const DatabaseGeneration& generation) : generation_(generation) {
    dim_ = generation.manifest.fingerprints.value("dim", int64_t{0});
    for (const GenerationPart& part : generation.parts) {
      parts_.push_back(std::make_unique<DatabasePart>(part, dim_, Manifest::Check::kSizes));
      if (parts_.back()->has_exact_distances()) continue;
      Throw(ErrorCode::kInvalidArgument,
            "{}: its embeddings were not kept, and its index has only codes of them; build it with --keep-embeddings",
            folder.string());
    }
  }

  uint64_t dim() const { return static_cast<uint64_t>(dim_); }

  void Write(const fs::path& file) const {
    NpyWriter writer(file, generation_.Totals().chunks - generation_.Removed().chunks, dim());
    std::vector<float> row(dim());
    for (size_t part = 0; part < parts_.size(); ++part) {
      const RemovedChunks removed(generation_.removed, part);
      for (uint64_t chunk = 0; chunk < parts_[part]->chunks().num_chunks(); ++chunk) {
        if (removed.Contains(chunk)) continue;
        ThrowIfInterrupted();
        parts_[part]->GetEmbedding({chunk}, row);
        writer.Append(row);
      }
    }
    writer.Finish();
  }

 private:
  const DatabaseGeneration& generation_;
  int64_t dim_ = 0;
  std::vector<std::unique_ptr<DatabasePart>> parts_;
};

}  // namespace

ExportReport ExportDatabase(const fs::path& folder, const Tokenizer& tokenizer, const fs::path& chunks_file,
                            const fs::path& embeddings_file) {
  return OpenCurrent(folder, [&](const DatabaseGeneration& generation) {
    ExportReport report;
    std::optional<EmbeddingExport> embeddings;
    if (!embeddings_file.empty()) embeddings.emplace(folder, generation);
    report.chunks = WriteChunkLines(folder, tokenizer, chunks_file);
    if (!embeddings) return report;
    if (report.chunks != generation.Totals().chunks - generation.Removed().chunks) {
      Throw(ErrorCode::kUnavailable, "{}: was changed while it was exported; export it again", folder.string());
    }
    embeddings->Write(embeddings_file);
    report.dim = embeddings->dim();
    return report;
  });
}

}  // namespace retro
