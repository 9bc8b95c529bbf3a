#include "model/retrieval.h"

#include "core/error.h"

namespace retro {

std::vector<ChunkNeighbours> CallRetrieve(const RetrieveFunction& retrieve, std::span<const RetrievalQuery> queries) {
  auto results = retrieve(queries);
  if (results.size() != queries.size()) {
    Throw(ErrorCode::kInternal, "{} chunks were to be given neighbours, {} were", queries.size(), results.size());
  }
  return results;
}

}  // namespace retro
