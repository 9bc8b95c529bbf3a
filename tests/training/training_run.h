// Small runs for tests: a corpus of bytes, a database of chunks in memory with tables into it, and tiny models.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/progress.h"
#include "core/thread_pool.h"
#include "datasets/corpus.h"
#include "datasets/neighbour_table.h"
#include "datasets/token_sequences.h"
#include "tests/testing/byte_tokenizer.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"
#include "training/train.h"

namespace retro {

struct Killed : std::exception {};

// Ends the run right after a step, as a power cut would.
inline StepObserver KillAfter(int64_t step) {
  return [step](const StepMetrics& metrics) {
    if (metrics.step == step) throw Killed();
  };
}

// Words of a small lexicon: a model learns something of it within a few steps.
inline std::string WordsText(int count, uint32_t seed) {
  static constexpr const char* kWords[] = {"tree", "river", "stone", "cloud", "amber", "violet", "seven", "north"};
  std::mt19937 random(seed);
  std::string text;
  for (int i = 0; i < count; ++i) text += std::string(kWords[random() % 8]) + " ";
  return text;
}

// Chunks in memory: chunk i is one token repeated, its continuation another.
class MemoryChunks final : public ChunkSource {
 public:
  MemoryChunks(uint64_t num_chunks, uint32_t chunk_len) : num_chunks_(num_chunks), chunk_len_(chunk_len) {}
  uint64_t num_chunks() const override { return num_chunks_; }
  uint32_t chunk_len() const override { return chunk_len_; }
  void GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out, std::span<uint32_t> lengths) const override {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i].value >= num_chunks_) Throw(ErrorCode::kNotFound, "chunk {}", ids[i].value);
      lengths[i] = Length(ids[i].value);
      for (uint32_t j = 0; j < lengths[i]; ++j) out[i * 2 * chunk_len_ + j] = Token(ids[i].value, j);
    }
  }
  // Every fourth chunk ends its document with a short one after it.
  uint32_t Length(uint64_t id) const { return id % 4 == 3 ? chunk_len_ + 1 : 2 * chunk_len_; }
  TokenId Token(uint64_t id, uint32_t j) const { return static_cast<TokenId>('a' + (id + (j >= chunk_len_)) % 26); }

 private:
  uint64_t num_chunks_;
  uint32_t chunk_len_;
};

struct TrainingRun {
  TempDir folder;
  ByteTokenizer tokenizer;
  ThreadPool pool{1};
  TrainConfig config;
  MemoryChunks chunks{40, 8};

  TrainingRun() {
    Progress::SetEnabled(false);
    spdlog::set_level(spdlog::level::off);
    config.out = (folder / "run").string();
    config.data.corpora = {{.folder = MakeCorpus("corpus", 30, 1)}};
    config.data.seq_len = 32;
    config.data.batch_size = 2;
    config.data.accumulation = 2;
    config.model.tokenizer = folder.path().string();  // has no files to copy
    config.model.family = "gpt2";
    config.model.num_layers = 2;
    config.model.hidden_dim = 16;
    config.model.num_heads = 2;
    config.optimizer.learning_rate = 1e-2;
    config.optimizer.warmup_steps = 2;
    config.steps = 8;
    config.save_every = 3;
    config.valid_sequences = 4;
  }

  std::string MakeCorpus(const std::string& name, int documents, uint32_t seed, double valid_fraction = 0.2) {
    std::string lines;
    for (int i = 0; i < documents; ++i) {
      lines += nlohmann::json{{"id", std::to_string(i)}, {"text", WordsText(60, seed * 1000 + i)}}.dump() + "\n";
    }
    WriteText(folder / (name + ".jsonl"), lines);
    CorpusOptions options;
    options.valid_fraction = valid_fraction;
    options.append_eos = true;
    BuildCorpus({folder / (name + ".jsonl")}, tokenizer, folder / name, options, pool);
    return (folder / name).string();
  }

  // Turns the run into one of RETRO: chunks of 8, 2 neighbours, and tables where every fifth row is empty.
  void AddNeighbours() {
    config.model.retro = true;
    config.model.retro_options.chunk_len = 8;
    config.model.retro_options.encoder_layers = 1;
    config.data.corpora[0].database = MakeDatabase("db");
    config.data.corpora[0].neighbours = MakeTable("train");
    config.data.corpora[0].valid_neighbours = MakeTable("valid");
  }

  // Only its manifest: the tokens are those of `chunks`.
  std::string MakeDatabase(const std::string& name) {
    std::filesystem::create_directories(folder / name);
    Manifest manifest;
    manifest.kind = "retrieval database";
    manifest.options = {{"name", name}};
    manifest.fingerprints = {{"tokenizer", tokenizer.fingerprint()}, {"chunk_len", 8}};
    manifest.Save(folder / name);
    return (folder / name).string();
  }

  std::string MakeTable(const std::string& part, bool empty = false) {
    NeighbourTableOrigin origin;
    origin.corpus = config.data.corpora[0].folder;
    origin.part = part;
    origin.database = config.data.corpora[0].database;
    origin.seq_len = config.data.seq_len;
    origin.chunk_len = 8;
    origin.k = 2;
    const std::filesystem::path table = folder / ("neighbours-" + part + (empty ? "-empty" : ""));
    std::filesystem::create_directories(table);
    NeighbourTableWriter writer(table, NeighbourTableManifest(origin));
    const Corpus corpus(origin.corpus, part);
    const uint64_t rows = TokenSequences(corpus, origin.seq_len).num_sequences() * (origin.seq_len / 8);
    for (uint64_t row = 0; row < rows; ++row) {
      const bool none = empty || row % 5 == 0;
      const std::vector<uint64_t> ids = {none ? kNoChunk : row % 40, none || row % 3 == 0 ? kNoChunk : (row * 7) % 40};
      std::vector<float> distances;
      for (const uint64_t id : ids) distances.push_back(id == kNoChunk ? kNoDistance : 1.0f);
      writer.Append(ids, distances);
    }
    writer.Finish();
    return table.string();
  }

  TrainResult Train(const StepObserver& observer = {}) { return Train(config, observer); }
  TrainResult Train(const TrainConfig& with, const StepObserver& observer = {}, Communicator* ranks = nullptr) {
    TrainInputs inputs;
    inputs.tokenizer = &tokenizer;
    inputs.databases.assign(with.data.corpora.size(), &chunks);
    inputs.num_threads = 1;
    inputs.ranks = ranks;
    return retro::Train(with, inputs, observer);
  }

  // A file of the checkpoint of a step.
  std::filesystem::path File(int64_t step, const std::string& name) const { return Checkpoint(step) / name; }
  std::filesystem::path Checkpoint(int64_t step) const {
    return std::filesystem::path(config.out) / fmt::format("step-{:06}", step);
  }

  // metrics.jsonl without what depends on the clock.
  std::vector<nlohmann::json> Metrics() const {
    std::vector<nlohmann::json> lines;
    std::istringstream text(ReadText(std::filesystem::path(config.out) / "metrics.jsonl"));
    for (std::string line; std::getline(text, line);) {
      nlohmann::json metrics = nlohmann::json::parse(line);
      metrics.erase("tokens_per_s");
      metrics.erase("peak_share");
      lines.push_back(std::move(metrics));
    }
    return lines;
  }
};

}  // namespace retro
