#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "datasets/chunker.h"
#include "retriever/chunk_block_tables.h"
#include "retriever/chunk_database.h"
#include "retriever/chunk_record.h"
#include "retriever/chunk_store.h"

namespace retro {

void PendingTable::Put(const std::string& key, const std::string& value) {
  if (writer_ == nullptr) {
    writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), ChunkStoreOptions());
    CheckStatus(writer_->Open(path_.string()), store_, "a table cannot be made");
  }
  CheckStatus(writer_->Put(key, value), store_, "a table cannot be written");
}

void PendingTable::Finish() {
  if (writer_ == nullptr) return;
  CheckStatus(writer_->Finish(), store_, "a table cannot be finished");
  writer_.reset();
}

ChunkBlock ChunkBlock::Next() const {
  return {first_document + num_documents, 0, first_chunk + num_chunks, 0, first_record + num_records, 0};
}

void ChunkBlock::Count(uint64_t chunks) {
  ++num_documents;
  num_chunks += chunks;
  num_records = (num_chunks + kChunksPerRecord - 1) / kChunksPerRecord;
}

struct ChunkBlockWriter::State {
  State(const std::filesystem::path& at, const ChunkStoreSettings& wanted, const ChunkBlock& first)
      : folder(at),
        settings(wanted),
        block(first),
        record(wanted.token_bytes()),
        chunk_table(at / kChunkTable, at),
        document_table(at / kDocumentTable, at) {}

  void Put(PendingTable& table, const std::string& key, const std::string& value) {
    table.Put(key, value);
    contents.Update(key);
    const uint64_t bytes = value.size();
    contents.Update(std::as_bytes(std::span(&bytes, 1)));
    contents.Update(value);
  }

  void PutRecord() {
    if (record.num_chunks() == 0) return;
    Put(chunk_table, NumberKey(block.first_record + put_records++), record.Take());
  }

  void CheckTokens(const DocumentInfo& document, std::span<const TokenId> tokens) const {
    for (const TokenId token : tokens) {
      if (token < 0 || static_cast<uint32_t>(token) >= settings.vocab_size) {
        Throw(ErrorCode::kInvalidArgument, "document \"{}\" has token {}, the vocabulary has {}", document.id, token,
              settings.vocab_size);
      }
    }
  }

  std::filesystem::path folder;
  ChunkStoreSettings settings;
  ChunkBlock block;
  uint64_t put_records = 0;
  ChunkRecordBuilder record;
  PendingTable chunk_table, document_table;
  Hasher contents;
};

ChunkBlockWriter::ChunkBlockWriter(const std::filesystem::path& folder, uint32_t chunk_len, uint32_t vocab_size,
                                   const ChunkBlock& first)
    : state_(std::make_unique<State>(folder, ChunkStoreSettings{.chunk_len = chunk_len, .vocab_size = vocab_size},
                                     first)) {}
ChunkBlockWriter::~ChunkBlockWriter() = default;
ChunkBlockWriter::ChunkBlockWriter(ChunkBlockWriter&&) noexcept = default;

void ChunkBlockWriter::Append(const DocumentInfo& document, std::span<const TokenId> tokens) {
  State& state = *state_;
  state.CheckTokens(document, tokens);
  const DocumentIndex index{state.block.first_document + state.block.num_documents};
  state.Put(state.document_table, NumberKey(index.value), EncodeDocument(document));
  const uint32_t chunk_len = state.settings.chunk_len;
  const uint64_t count = NumChunks(tokens.size(), chunk_len);
  for (uint64_t ordinal = 0; ordinal < count; ++ordinal) {
    const ChunkSpan span = ChunkAt(tokens.size(), chunk_len, ordinal);
    state.record.Add(index, ordinal, tokens.subspan(span.begin, span.length), ordinal + 1 == count);
    if (state.record.full()) state.PutRecord();
  }
  state.block.Count(count);
}

const ChunkBlock& ChunkBlockWriter::block() const { return state_->block; }

void ChunkBlockWriter::Finish() {
  state_->PutRecord();
  state_->chunk_table.Finish();
  state_->document_table.Finish();
  SyncDirectory(state_->folder);
}

std::string ChunkBlockWriter::contents_xxh3() const { return state_->contents.HexDigest(); }

}  // namespace retro
