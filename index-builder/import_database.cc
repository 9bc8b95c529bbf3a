#include "index-builder/import_database.h"

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/mapped_memory.h"
#include "core/npy.h"
#include "core/progress.h"
#include "core/staged_folder.h"
#include "core/thread_pool.h"
#include "datasets/byte_source.h"
#include "datasets/line_reader.h"
#include "index-builder/embedding_stage.h"
#include "index-builder/part_writer.h"
#include "index-builder/sample.h"
#include "index-builder/vector_stage.h"
#include "retriever/chunk_store.h"
#include "retriever/database_files.h"
#include "retriever/generation.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr uint64_t kImportBlockTokens = uint64_t{1} << 24;

using Sink = std::function<void(const DocumentInfo&, std::span<const TokenId>)>;

// Calls `line` for each line of a file with its text and number.
void ForEachLine(const fs::path& path, const ReaderOptions& options,
                 const std::function<bool(std::string_view, uint64_t)>& visit) {
  const auto source = OpenByteSource(path, options.max_unpack_ratio);
  LineReader reader(*source, options.max_line_bytes);
  std::span<char> line;
  for (;;) {
    const auto status = reader.Next(line);
    if (status == LineReader::Status::kEnd) return;
    if (status == LineReader::Status::kTooLong) {
      Throw(ErrorCode::kInvalidArgument, "{}:{}: a line longer than {} bytes", path.string(), reader.line_number(),
            options.max_line_bytes);
    }
    ThrowIfInterrupted();
    if (!visit({line.data(), line.size()}, reader.line_number())) return;
  }
}

bool IsExport(const fs::path& path, const ReaderOptions& options) {
  if (path == "-" || !fs::is_regular_file(path)) return false;
  bool is_export = false;
  ForEachLine(path, options, [&](std::string_view line, uint64_t) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    is_export = json.is_object() && json.contains("tokens") && json.contains("position");
    return false;
  });
  return is_export;
}

// The documents of an exported file, put together from their chunks.
class ExportedChunks {
 public:
  ExportedChunks(const fs::path& path, uint32_t chunk_len, const Sink& sink)
      : path_(path), chunk_len_(chunk_len), sink_(sink) {}

  void Read(const ReaderOptions& options) {
    ForEachLine(path_, options, [&](std::string_view line, uint64_t number) {
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) return true;
      try {
        Take(nlohmann::json::parse(line), number);
      } catch (const nlohmann::json::exception& error) {
        Throw(ErrorCode::kInvalidArgument, "{}:{}: is not a chunk as retro index export writes it ({})", path_.string(),
              number, error.what());
      }
      return true;
    });
    Finish();
  }

 private:
  void Take(const nlohmann::json& json, uint64_t number) {
    DocumentInfo info{.id = json.at("document").get<std::string>(),
                      .title = json.value("title", ""),
                      .source = json.value("source", ""),
                      .url = json.value("url", ""),
                      .licence = json.value("licence", ""),
                      .date = json.value("date", "")};
    const auto position = json.at("position").get<uint64_t>();
    const auto tokens = json.at("tokens").get<std::vector<TokenId>>();
    if (position == 0) {
      Finish();
      info_ = std::move(info);
    }
    const bool whole = !tokens.empty() && tokens.size() <= chunk_len_ && tokens_.size() % chunk_len_ == 0;
    if (position != tokens_.size() || !whole || (position > 0 && info.id != info_.id)) {
      Throw(
          ErrorCode::kInvalidArgument,
          "{}:{}: a chunk of {} tokens at token {} of document \"{}\" does not follow the line before it in chunks of "
          "{}; give all lines in their order, and the chunk length that they were made with",
          path_.string(), number, tokens.size(), position, json.at("document").get<std::string>(), chunk_len_);
    }
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  }

  void Finish() {
    if (!tokens_.empty()) sink_(info_, tokens_);
    tokens_.clear();
  }

  const fs::path& path_;
  uint32_t chunk_len_;
  const Sink& sink_;
  DocumentInfo info_;
  std::vector<TokenId> tokens_;  // of the document that is being read
};

void ReadDocuments(const fs::path& path, const Tokenizer& tokenizer, const ReaderOptions& options, const Sink& sink) {
  const auto reader = OpenDocuments({path}, options);
  Document document;
  while (reader->Next(document)) {
    ThrowIfInterrupted();
    const std::vector<TokenId> tokens = tokenizer.Encode(document.text);
    sink(InfoOf(document), tokens);
  }
}

class Importer {
 public:
  Importer(const Tokenizer& tokenizer, const Embedder& embedder, const ImportOptions& options, ThreadPool& pool)
      : tokenizer_(tokenizer), embedder_(embedder), options_(options), pool_(pool) {
    if (!options.fingerprint.empty() && options.fingerprint != embedder.fingerprint()) {
      Throw(ErrorCode::kInvalidArgument,
            "the embeddings are said to be of the embedder {}, the one given is {}; give the one that they were made "
            "with",
            options.fingerprint, embedder.fingerprint());
    }
  }

  Manifest Import(const fs::path& documents, const fs::path& embeddings, const fs::path& out) {
    StagedFolder staged(out, StagedFolder::Unpublished::kRemove);
    staged.Clear();
    folder_ = staged.path();
    const MappedMemoryLimit limit(options_.index.memory_bytes / kMappedShare);
    const NpyFile rows(embeddings);
    CheckRows(embeddings, rows);
    WriteChunks(documents);
    if (counts_.at("chunks") != rows.num_rows()) {
      Throw(ErrorCode::kInvalidArgument,
            "{} has {} rows, but {} makes {} chunks of {} tokens; give a row for each chunk", embeddings.string(),
            rows.num_rows(), documents.string(), counts_.at("chunks").dump(), options_.index.chunk_len);
    }
    CompareSample(embeddings, rows);
    EmbeddingBlocks blocks(folder_ / "embeddings", embedder_.dim(), options_.index.block_chunks);
    std::vector<float> row(rows.num_columns());
    for (uint64_t i = 0; i < rows.num_rows(); ++i) {
      rows.GetRows(i, row);
      blocks.Append(row);
    }
    blocks.Finish();
    Manifest manifest = FinishPart(folder_, counts_, "import", tokenizer_, embedder_, options_.index, pool_);
    staged.Publish();
    return manifest;
  }

 private:
  void CheckRows(const fs::path& path, const NpyFile& rows) const {
    if (rows.num_columns() != static_cast<uint64_t>(embedder_.dim())) {
      Throw(ErrorCode::kInvalidArgument, "{} has {} columns, the embedder's dim is {}", path.string(),
            rows.num_columns(), embedder_.dim());
    }
    std::vector<float> row(rows.num_columns());
    for (uint64_t i = 0; i < rows.num_rows(); ++i) {
      rows.GetRows(i, row);
      for (const float value : row) {
        if (!std::isfinite(value)) {
          Throw(ErrorCode::kInvalidArgument, "{}: row {} has the value {}", path.string(), i, value);
        }
      }
    }
  }

  void WriteChunks(const fs::path& documents) {
    ChunkStoreWriter writer(folder_ / kChunksFolder, options_.index.chunk_len,
                            static_cast<uint32_t>(tokenizer_.vocab_size()));
    Progress progress("import", "documents", 0);
    uint64_t num_tokens = 0, block_tokens = 0;
    const Sink sink = [&](const DocumentInfo& info, std::span<const TokenId> tokens) {
      writer.Append(info, tokens);
      progress.Add(1);
      num_tokens += tokens.size();
      block_tokens += tokens.size();
      if (block_tokens < kImportBlockTokens) return;
      writer.CommitBlock();
      block_tokens = 0;
    };
    const ReaderOptions& reader = options_.index.corpus.reader;
    if (IsExport(documents, reader)) {
      ExportedChunks(documents, options_.index.chunk_len, sink).Read(reader);
    } else {
      ReadDocuments(documents, tokenizer_, reader, sink);
    }
    writer.CommitBlock();
    counts_ = {{"documents", writer.num_documents()}, {"chunks", writer.num_chunks()}, {"tokens", num_tokens}};
    writer.Finish();
    progress.Finish();
  }

  // Rows that another encoder made, or that stand in another order, would be found by no question.
  void CompareSample(const fs::path& path, const NpyFile& rows) const {
    const ChunkStore chunks(folder_ / kChunksFolder);
    std::vector<ChunkRecord> records;
    for (const uint64_t id :
         SampleWithoutReplacement(chunks.num_chunks(), options_.check_chunks, options_.index.seed)) {
      records.push_back(chunks.Get({id}));
    }
    const std::vector<float> own =
        EmbedChunks(chunks, records, tokenizer_, embedder_, options_.index.embed_title, pool_);
    std::vector<float> row(rows.num_columns());
    for (size_t i = 0; i < records.size(); ++i) {
      rows.GetRows(records[i].id.value, row);
      double product = 0, norms[2] = {};
      for (size_t j = 0; j < row.size(); ++j) {
        const double a = row[j], b = own[i * row.size() + j];
        product += a * b, norms[0] += a * a, norms[1] += b * b;
      }
      const double cosine = product / std::sqrt(std::max(norms[0] * norms[1], 1e-30));
      if (cosine >= options_.min_cosine) continue;
      Throw(
          ErrorCode::kInvalidArgument,
          "{}: row {} has a cosine of {:.3f} with the embedding of its chunk \"{}\"; give rows of this encoder in the "
          "order of the chunks, of texts with or without titles as the options say",
          path.string(), records[i].id.value, cosine, chunks.Document(records[i].document).id);
    }
  }

  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  const ImportOptions& options_;
  ThreadPool& pool_;
  fs::path folder_;  // the staging folder
  nlohmann::json counts_;
};

}  // namespace

Manifest ImportDatabase(const fs::path& documents, const fs::path& embeddings, const Tokenizer& tokenizer,
                        const Embedder& embedder, const fs::path& out, const ImportOptions& options, ThreadPool& pool) {
  return Importer(tokenizer, embedder, options, pool).Import(documents, embeddings, out);
}

}  // namespace retro
