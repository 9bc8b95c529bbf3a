// A corpus and a retrieval database become a neighbour table (datasets/neighbour_table.h): the k database chunks that
// each chunk of each training sequence is shown. First a search for more candidates than that, block by block, then a
// choice among them by the leakage rules (index-builder/neighbour_selection.h). The work is done in OUT.building and
// takes the place of OUT in one step; a build that was killed or interrupted goes on where it was.
//
//   manifest.json, neighbours.ids, neighbours.distances   the table
//   candidates/                                           what the search found, with a manifest of its own
//
// Built again with another k, order, filter or seq_len, the candidates are used again; the table does not need them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/manifest.h"
#include "index-builder/neighbour_candidates.h"
#include "index-builder/neighbour_selection.h"
#include "retriever/retrieval_database.h"

namespace retro {

class ThreadPool;

struct NeighbourOptions {
  std::string part = "train";  // of the corpus
  uint32_t seq_len = 512;      // of the training sequences; a multiple of the database's chunk_len
  CandidateOptions search = {};
  SelectionOptions selection = {};
  // A neighbour table whose candidates are to be used: of the same corpus, part, database and search. Empty: those of
  // an older table in `out`, where they fit, or else new ones.
  std::filesystem::path candidates_from = {};
  // Called after each durable step with its name ("block 3", "search", "table"); what it throws ends the build, as a
  // kill would.
  std::function<void(std::string_view step)> on_step = {};
};

// `corpus`: the folder. When `out` holds this very table already, says so and does nothing. The same inputs and options
// make the same bytes. Throws Error; then an older table in `out` is whole. Error(kInvalidArgument): the corpus has
// another tokenizer than the database, or fewer tokens than a sequence and one; impossible options; candidates that do
// not fit. Error(kUnavailable): interrupted, or another process is building `out`.
Manifest BuildNeighbours(const std::filesystem::path& corpus, const RetrievalDatabase& database,
                         const std::filesystem::path& out, const NeighbourOptions& options, ThreadPool& pool);

}  // namespace retro
