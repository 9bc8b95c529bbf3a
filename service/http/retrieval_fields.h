// The "retrieval" object of a call: mode, k, nprobe, rerank, lexical, filters.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "retriever/neighbour_retriever.h"
#include "service/http/body_fields.h"
#include "service/http/server.h"
#include "service/retrieval_mode.h"

namespace retro {

struct RetrievalFields {
  RetrievalMode mode = RetrievalMode::kOff;
  SearchOptions search;  // of k passages
};

RetrievalMode ReadMode(const BodyFields& fields, RetrievalMode absent);
std::string_view ModeName(RetrievalMode mode);

// Of `fields`' own: k, nprobe, rerank, lexical, filters.
void ReadSearch(const BodyFields& fields, RetrievalFields& retrieval);

// The object "retrieval" of a call; off when it is absent. Throws RequestError, also when the model or the server
// cannot do what it asks for.
RetrievalFields ReadRetrieval(const BodyFields& call, const ServedModel& model);

// The database, or RequestError when there is none.
std::shared_ptr<const RetrievalDatabase> RequireDatabase(const ServedModel& model);

// Best first. For a worker.
std::vector<Passage> FindPassages(const RetrievalDatabase& database, const std::string& query,
                                  const RetrievalFields& retrieval, bool with_continuation);

}  // namespace retro
