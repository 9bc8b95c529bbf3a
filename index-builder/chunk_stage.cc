#include "index-builder/chunk_stage.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/progress.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// Cut by chunks alone, so that every worker finds the same blocks without reading a text.
std::vector<ChunkBlock> CutIntoBlocks(const CorpusChunks& chunks, uint64_t block_chunks) {
  std::vector<ChunkBlock> blocks;
  ChunkBlock block;
  for (uint64_t document = 0; document < chunks.num_documents(); ++document) {
    block.Count(chunks.FirstChunk(document + 1) - chunks.FirstChunk(document));
    if (block.num_chunks < block_chunks) continue;
    blocks.push_back(block);
    block = block.Next();
  }
  if (block.num_documents > 0) blocks.push_back(block);
  return blocks;
}

void HashText(Hasher& hasher, std::string_view text) {
  const uint64_t bytes = text.size();
  hasher.Update(std::as_bytes(std::span(&bytes, 1)));
  hasher.Update(text);
}

std::string HashDocuments(const Corpus& corpus, const ChunkBlock& range) {
  Hasher hasher;
  std::vector<TokenId> tokens;
  for (uint64_t document = range.first_document; document < range.Next().first_document; ++document) {
    ThrowIfInterrupted();
    const DocumentInfo info = corpus.Info({document});
    for (const std::string* field : {&info.id, &info.title, &info.source, &info.url, &info.licence}) {
      HashText(hasher, *field);
    }
    tokens.clear();
    corpus.AppendTokens({document}, tokens);
    HashText(hasher, {reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(TokenId)});
  }
  return hasher.HexDigest();
}

nlohmann::json ToJson(const ChunkBlock& range) {
  return {{"documents", range.num_documents}, {"chunks", range.num_chunks}, {"records", range.num_records}};
}

}  // namespace

ChunkBlocks::ChunkBlocks(const CorpusChunks& chunks, const fs::path& blocks_folder, const BuildShare& share,
                         const ChunkStageOptions& options)
    : chunks_(chunks),
      blocks_folder_(blocks_folder),
      share_(share),
      options_(options),
      ranges_(CutIntoBlocks(chunks, options.block_chunks)) {
  for (uint64_t block = 0; block < ranges_.size(); ++block) {
    if (share.Has(block)) blocks_.push_back(Describe(block));
  }
}

BuildBlock ChunkBlocks::Describe(uint64_t number) const {
  const ChunkBlock& range = ranges_[number];
  return {blocks_folder_,
          "chunks",
          number,
          {{"documents", HashDocuments(chunks_.corpus(), range)},
           {"first_document", range.first_document},
           {"first_chunk", range.first_chunk},
           {"first_record", range.first_record},
           {"chunk_len", chunks_.chunk_len()},
           {"vocab_size", options_.vocab_size}}};
}

void ChunkBlocks::Make() const {
  const std::vector<BuildBlock> missing = MissingBlocks(blocks_, share_, "chunk blocks");
  Progress progress("chunks", "blocks", missing.size());
  for (const BuildBlock& block : missing) {
    MakeBlock(block);
    progress.Add(1);
    if (options_.on_step) options_.on_step(fmt::format("chunk block {}", block.number()));
  }
  progress.Finish();
}

void ChunkBlocks::MakeBlock(const BuildBlock& block) const {
  const ChunkBlock& range = ranges_[block.number()];
  BlockMaker maker(block);
  ChunkBlockWriter writer(maker.folder(), chunks_.chunk_len(), options_.vocab_size,
                          {range.first_document, 0, range.first_chunk, 0, range.first_record, 0});
  std::vector<TokenId> tokens;
  for (uint64_t document = range.first_document; document < range.Next().first_document; ++document) {
    ThrowIfInterrupted();
    tokens.clear();
    chunks_.corpus().AppendTokens({document}, tokens);
    writer.Append(chunks_.corpus().Info({document}), tokens);
  }
  writer.Finish();
  nlohmann::json counts = ToJson(range);
  counts["contents"] = writer.contents_xxh3();
  maker.Finish(std::move(counts));
}

BuildBlock ChunkBlocks::MakeStore() const {
  BuildBlock store(blocks_folder_, "store", 0, {{"blocks", HashOf(blocks_)}});
  if (MissingBlocks({&store, 1}, kAllBlocks, "chunk store").empty()) return store;
  BlockMaker maker(store);
  Hasher contents;
  double seconds = 0;
  ChunkStoreWriter writer(maker.folder() / "chunks", chunks_.chunk_len(), options_.vocab_size);
  for (const BuildBlock& block : blocks_) {
    ThrowIfInterrupted();
    const Manifest made = RequireBlock(block, "chunks");
    writer.Ingest(block.folder(), ranges_[block.number()]);
    contents.Update(made.counts.at("contents").get<std::string>());
    seconds += made.counts.at("seconds").get<double>();
  }
  writer.Finish();
  maker.Finish({{"contents", contents.HexDigest()}, {"blocks_seconds", seconds}});
  if (options_.on_step) options_.on_step("chunks");
  return store;
}

}  // namespace retro
