// What a database of so many tokens takes: sizes, index string, RAM, disk and hours, before anything is built. Every
// formula is here, with n the number of chunks, L = chunk_len, d = dim:
//
//   chunks      tokens / L + documents / 2: the last chunk of a document is half full on average
//   store       tokens * (2 or 4 bytes) + 8 n, in records of 32 chunks (retriever/chunk_record.h) with 44 bytes around
//               each and about 40 around each of RocksDB's blocks of 4 KiB; a document's texts and 40 bytes
//   lists       VectorIndex::ChooseFactory: 4 sqrt(n); up to 20,000 chunks an exact index of 4 d bytes a chunk
//   codes       n * (8 for the id + M / 2 for M codes of 4 bits) + 16 codes a list, as FAISS fills up to 32; M is
//               d / 8, or the largest smaller one that divides d with which the index stays within 9/10 of the RAM
//   centroids   lists * 4 d; from 16,384 lists on also HNSW's links, 64 of 4 bytes at the lowest level: lists * 280
//               (Malkov and Yashunin, 2018, section 4.2.3)
//   embeddings  2 d in half precision, d + 4 in 8 bits; where re-ranking needs them
//   lexical     p = 0.45 tokens postings of about 1.5 bytes, 24 for a block of 128 of them, 2 for a chunk's length, and
//               48 for each of 44 tokens^0.49 terms (Heaps' law; Manning, Raghavan and Schuetze, 2008, section 5.1.1)
//   nprobe      1.75 sqrt(lists) * 0.05 / (1 - recall), and 32 k * sqrt(0.05 / (1 - recall)) candidates to re-rank: a
//               rule that holds the measured curve of 120,062 chunks of reference works (nprobe 32, 64, 128 and 16 k,
//               32 k, 32 k candidates for 0.91, 0.95, 0.97). retro index tune finds what it really takes
//   training    10 iterations * 64 lists vectors * lists * d multiplications and additions
//   adding      n * (lists, or 512 by HNSW, + 16) * d of them
//   a query     (lists, or 64 nprobe by HNSW) * d of them + nprobe * n / lists codes + the candidates' rows: 150 ns
//               each in memory, disk_read_us on a disk when the RAM left over does not hold the embeddings
//
// Embedding, training, adding and querying are shared evenly by all workers.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace retro {

class Embedder;
class ThreadPool;

// What one worker does; measured by MeasureRates or given.
struct PlanRates {
  double embed_chunks_per_s = 0;   // 0: not known, and no hours for it
  double multiply_adds_per_s = 0;  // of matrix products in single precision, all cores
  double code_ns = 0;              // a code that is looked at, one core
  double disk_read_us = 100;       // a row at a random place of a solid-state disk
  unsigned cores = 1;
};

struct PlanOptions {
  double tokens = 0;
  double document_len = 800;    // tokens of a document, on average
  double document_bytes = 120;  // of its id, title, source, url and licence
  uint32_t chunk_len = 64;
  bool wide_tokens = false;  // 4 bytes a token: vocabularies above 65,536
  int64_t dim = 384;
  double recall = 0.95;
  int k = 10;
  double ram_bytes = 0;   // of a worker; 0: as much as it takes
  double disk_bytes = 0;  // of all together; 0: likewise
  unsigned workers = 1;   // machines, each with the same rates and RAM, that share the index and the work
  bool lexical = false;
  bool corpus = false;  // a tokenized corpus is kept beside it, as when it is built from documents
};

struct IndexPlan {
  double documents = 0, chunks = 0;
  std::string factory;
  double lists = 0, nprobe = 0, candidates = 0;  // lists 0: exact
  std::string embeddings;                        // "none", "half", "int8"
  // Bytes. Disk: all of them; RAM: the index, shared by the workers.
  double store_bytes = 0, code_bytes = 0, centroid_bytes = 0, embedding_bytes = 0, lexical_bytes = 0, corpus_bytes = 0;
  double disk_bytes = 0;        // of the finished database
  double build_disk_bytes = 0;  // most while it is built: embeddings are in half precision until the index is measured
  double ram_bytes = 0;         // of one worker
  double embed_hours = 0, train_hours = 0, add_hours = 0;
  double query_ms = 0;                // on one core
  double query_all_hours = 0;         // every chunk once, as for a neighbour table, on all cores of all workers
  unsigned workers_for_ram = 1;       // that the index needs
  std::vector<std::string> problems;  // what does not fit, each with what to do; empty: it fits

  nlohmann::json ToJson() const;
};

// Throws Error(kInvalidArgument) on options that cannot be, naming them.
IndexPlan PlanIndex(const PlanOptions& options, const PlanRates& rates);

// A few seconds of each kind of work on this machine. `embedder` null: embedding is not measured. What `given` has
// above 0 is kept. Throws Error(kInvalidArgument) when dim is not a multiple of 8.
PlanRates MeasureRates(const Embedder* embedder, int64_t dim, uint32_t chunk_len, const PlanRates& given,
                       ThreadPool& pool);

}  // namespace retro
