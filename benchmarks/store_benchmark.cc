// Neighbour fetch from the chunk store: chunk and continuation (2 x 64 tokens) of random ids, warm, on one thread.
//   store_benchmark [--chunks 2000000] [--reads 262144] [--reps 5] [--dir DIR]
// One JSON object on stdout. The store is kept in DIR, if given, and used again.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "retriever/chunk_store.h"

namespace retro {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kChunkLen = 64;
constexpr uint32_t kVocabSize = 50'000;
constexpr uint64_t kBlockDocuments = 4096;

struct Arguments {
  uint64_t chunks = 2'000'000, reads = 262'144;
  int reps = 5;
  std::string dir;
};

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// Documents of 1 to 40 chunks with a short end, as articles are.
void Write(const std::filesystem::path& folder, uint64_t chunks) {
  ChunkStoreWriter writer(folder, kChunkLen, kVocabSize);
  std::mt19937_64 random(3);
  std::vector<TokenId> tokens;
  while (writer.num_chunks() < chunks) {
    const uint64_t left = chunks - writer.num_chunks();
    const uint64_t count = std::min<uint64_t>(1 + random() % 40, left);
    tokens.resize((count - 1) * kChunkLen + 1 + random() % kChunkLen);
    for (TokenId& token : tokens) token = static_cast<TokenId>(random() % kVocabSize);
    const std::string number = std::to_string(writer.num_documents());
    writer.Append({"doc-" + number, "Document " + number, "", "", ""}, tokens);
    if (writer.num_documents() % kBlockDocuments == 0) writer.CommitBlock();
  }
  writer.CommitBlock();
  writer.Finish();
}

// Neighbours per second, the median of `reps` passes after one that warms up.
double Rate(const ChunkStore& store, const std::vector<ChunkId>& ids, size_t batch, int reps) {
  std::vector<TokenId> tokens(batch * 2 * kChunkLen);
  std::vector<uint32_t> lengths(batch);
  std::vector<double> rates;
  for (int rep = 0; rep <= reps; ++rep) {
    const auto start = Clock::now();
    for (size_t begin = 0; begin + batch <= ids.size(); begin += batch) {
      store.GetNeighbours(std::span(ids).subspan(begin, batch), tokens, lengths);
    }
    if (rep > 0) rates.push_back(static_cast<double>(ids.size() / batch * batch) / Seconds(start));
  }
  std::nth_element(rates.begin(), rates.begin() + rates.size() / 2, rates.end());
  return rates[rates.size() / 2];
}

uint64_t FolderBytes(const std::filesystem::path& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

void Run(const Arguments& arguments) {
  const std::filesystem::path folder = arguments.dir.empty()
                                           ? std::filesystem::temp_directory_path() / "retro-store-benchmark"
                                           : std::filesystem::path(arguments.dir);
  const auto start = Clock::now();
  if (!std::filesystem::exists(folder / "CURRENT")) Write(folder, arguments.chunks);
  const double write_seconds = Seconds(start);
  const ChunkStore store(folder);
  std::mt19937_64 random(7);
  std::vector<ChunkId> ids(arguments.reads);
  for (ChunkId& id : ids) id.value = random() % store.num_chunks();
  const double batches = Rate(store, ids, 1024, arguments.reps), one = Rate(store, ids, 1, arguments.reps);
  std::cout << nlohmann::ordered_json{{"chunks", store.num_chunks()},     {"documents", store.num_documents()},
                                      {"bytes", FolderBytes(folder)},     {"write_s", write_seconds},
                                      {"batches_of_1024_per_s", batches}, {"one_at_a_time_per_s", one}}
                   .dump()
            << "\n";
  if (arguments.dir.empty()) std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  retro::Arguments arguments;
  CLI::App app("Neighbour fetch from the chunk store, neighbours per second");
  app.add_option("--chunks", arguments.chunks, "chunks in the store");
  app.add_option("--reads", arguments.reads, "neighbours read in one pass");
  app.add_option("--reps", arguments.reps, "passes, of which the median counts");
  app.add_option("--dir", arguments.dir, "folder for the store, kept");
  CLI11_PARSE(app, argc, argv);
  try {
    retro::Run(arguments);
  } catch (const std::exception& error) {
    std::cerr << "store_benchmark: " << error.what() << "\n";
    return 1;
  }
}
