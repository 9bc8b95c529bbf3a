// What one sequence is given from the database: passages before its prompt, neighbours by cross-attention.
#pragma once

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "service/engine.h"
#include "service/http/retrieval_fields.h"
#include "service/http/service_context.h"

namespace retro {

// For one thread at a time, but for what the engine calls.
class SequenceRetrieval : public std::enable_shared_from_this<SequenceRetrieval> {
 public:
  // Looks for the passages of `query`; null when retrieval is off. For a worker.
  static std::shared_ptr<SequenceRetrieval> Make(ServiceContext& context, const RetrievalFields& retrieval,
                                                 const std::string& query);

  // Those for the prompt: all in the mode prompt, the best one in the mode both.
  const std::vector<Passage>& passages() const { return passages_; }

  // The passages' texts before the prompt, apart by blank lines, as in Ram et al. 2023 (arXiv 2302.00083).
  void PutBefore(EngineRequest& request);
  // Only the neighbours; the request shares this object.
  void GiveNeighbours(EngineRequest& request);

  // {"mode", "passages", "chunks"}
  nlohmann::json Json() const;

 private:
  SequenceRetrieval(ServiceContext& context, const RetrievalFields& retrieval, const std::string& query);

  RetrievalMode mode_;
  const Tokenizer& tokenizer_;
  ThreadPool pool_{1};
  std::vector<Passage> passages_;
  mutable std::mutex mutex_;  // of the retriever
  std::unique_ptr<NeighbourRetriever> retriever_;
};

inline constexpr std::chrono::seconds kPingInterval{15};

}  // namespace retro
