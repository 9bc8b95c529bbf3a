#include "index-builder/living_chunks.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/interrupt.h"
#include "core/progress.h"

namespace retro {
namespace {

struct SourceCounts {
  uint64_t documents = 0, chunks = 0, tokens = 0;
};

}  // namespace

void ForEachLivingChunk(const PartedChunks& chunks,
                        const std::function<void(const ChunkRecord& chunk, const DocumentInfo& document)>& visit) {
  Progress progress("reading", "chunks", chunks.num_chunks());
  std::vector<ChunkRecord> records;
  std::optional<DocumentIndex> document;
  DocumentInfo info;
  for (uint64_t first = 0; first < chunks.num_chunks(); first += kChunksAtOnce) {
    ThrowIfInterrupted();
    chunks.ReadRange({first}, std::min(kChunksAtOnce, chunks.num_chunks() - first), records);
    for (const ChunkRecord& chunk : records) {
      if (chunks.IsRemoved(chunk.id)) continue;
      if (document != chunk.document) info = chunks.Document(chunk.document);
      document = chunk.document;
      visit(chunk, info);
    }
    progress.Add(records.size());
  }
  progress.Finish();
}

nlohmann::json SurveyContents(const PartedChunks& chunks) {
  std::map<std::string, SourceCounts> sources;
  uint64_t short_chunks = 0;
  ForEachLivingChunk(chunks, [&](const ChunkRecord& chunk, const DocumentInfo& document) {
    SourceCounts& source = sources[document.source];
    source.documents += chunk.position == 0;
    ++source.chunks;
    source.tokens += chunk.tokens.size();
    short_chunks += chunk.tokens.size() < chunks.chunk_len();
  });
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, counts] : sources) {
    json[name] = {{"documents", counts.documents}, {"chunks", counts.chunks}, {"tokens", counts.tokens}};
  }
  return {{"sources", json}, {"short_chunks", short_chunks}};
}

}  // namespace retro
