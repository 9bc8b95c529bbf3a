#include "index-builder/lexical_builder.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/file_tree.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "index-builder/database_writer.h"
#include "retriever/database_files.h"
#include "retriever/lexical_index_writer.h"
#include "retriever/passage_text.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// A title on a line of its own, so that no word of it joins one of the text.
std::string TextOf(const ChunkRecord& chunk, const std::string& title, const Tokenizer& tokenizer) {
  return title + "\n" + PassageText(tokenizer, chunk.tokens);
}

bool HasLexical(const Manifest& part) { return part.files.contains(std::string(kLexicalFolder) + "/terms"); }

Manifest LoadPart(const GenerationPart& part) { return Manifest::Load(part.folder, kDatabaseKind); }

// The same chunks in the next part, with a lexical index.
void ReplacePart(const DatabaseWriter& writer, DatabaseGeneration& next, size_t index, const Tokenizer& tokenizer,
                 size_t memory_bytes, ThreadPool& pool) {
  GenerationPart& part = next.parts[index];
  Manifest manifest = LoadPart(part);
  manifest.VerifyFiles(part.folder, Manifest::Check::kChecksums);
  GenerationPart replacement = part;
  replacement.name = PartName(next.next_part++);
  replacement.folder = writer.folder() / replacement.name;
  writer.LinkPart(part.folder, replacement.folder);
  RemoveAll(replacement.folder / kManifestFile);  // no part until it has its own
  WriteLexicalIndex(replacement.folder, tokenizer, memory_bytes, pool);
  manifest.options["lexical"] = true;
  manifest.AddFile(replacement.folder, kLexicalFolder);
  manifest.Save(replacement.folder);
  writer.Step("lexical");
  part = std::move(replacement);
}

}  // namespace

void WriteLexicalIndex(const fs::path& folder, const Tokenizer& tokenizer, size_t memory_bytes, ThreadPool& pool) {
  RemoveAll(folder / kLexicalFolder);
  const ChunkStore store(folder / "chunks");
  LexicalIndexWriter writer(folder / kLexicalFolder, memory_bytes);
  Progress progress("lexical index", "chunks", store.num_chunks());
  std::vector<ChunkRecord> chunks;
  std::vector<std::string> titles;
  std::optional<DocumentIndex> document;
  std::string title;
  for (uint64_t first = 0; first < store.num_chunks(); first += kChunksAtOnce) {
    ThrowIfInterrupted();
    store.ReadRange({first}, std::min(kChunksAtOnce, store.num_chunks() - first), chunks);
    titles.clear();
    for (const ChunkRecord& chunk : chunks) {
      if (document != chunk.document) title = store.Document(chunk.document).title;
      document = chunk.document;
      titles.push_back(title);
    }
    std::vector<std::vector<LexicalTerm>> terms(chunks.size());
    pool.ParallelFor(chunks.size(),
                     [&](size_t i) { terms[i] = LexicalTerms(TextOf(chunks[i], titles[i], tokenizer)); });
    for (const auto& of_chunk : terms) writer.Add(of_chunk);
    progress.Add(chunks.size());
  }
  writer.Finish();
  progress.Finish();
}

UpdateReport AddLexicalIndex(const fs::path& folder, const Tokenizer& tokenizer, const UpdateOptions& options,
                             ThreadPool& pool) {
  DatabaseWriter writer(folder, options.on_step);
  RequireFingerprint(writer.folder(), writer.current().manifest, "tokenizer", tokenizer.fingerprint());
  writer.CleanUp(/*keep_next=*/false);
  const auto& parts = writer.current().parts;
  UpdateReport report;
  report.changed = !std::ranges::all_of(parts, [](const GenerationPart& part) { return HasLexical(LoadPart(part)); });
  if (report.changed) {
    DatabaseGeneration next = writer.Begin();
    for (size_t i = 0; i < next.parts.size(); ++i) {
      if (!HasLexical(LoadPart(next.parts[i]))) {
        ReplacePart(writer, next, i, tokenizer, options.memory_bytes, pool);
      }
    }
    next.manifest.options["lexical"] = true;
    writer.Publish(std::move(next));
    report.parts_still_read = writer.CleanUp(/*keep_next=*/false);
  }
  const GenerationTotals all = writer.current().Totals(), gone = writer.current().Removed();
  report.generation = writer.current().number;
  report.documents = all.documents - gone.documents;
  report.chunks = all.chunks - gone.chunks;
  report.tokens = all.tokens - gone.tokens;
  report.parts = writer.current().parts.size();
  return report;
}

}  // namespace retro
