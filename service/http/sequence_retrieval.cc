#include "service/http/sequence_retrieval.h"

#include "service/http/passage_json.h"
#include "service/whole_passages.h"

namespace retro {

std::shared_ptr<SequenceRetrieval> SequenceRetrieval::Make(ServiceContext& context, const RetrievalFields& retrieval,
                                                           const std::string& query) {
  if (retrieval.mode == RetrievalMode::kOff) return nullptr;
  return std::shared_ptr<SequenceRetrieval>(new SequenceRetrieval(context, retrieval, query));
}

SequenceRetrieval::SequenceRetrieval(ServiceContext& context, const RetrievalFields& retrieval,
                                     const std::string& query)
    : mode_(retrieval.mode), tokenizer_(context.model.engine->tokenizer()) {
  const auto database = RequireDatabase(context.model);
  RetrievalFields of_prompt = retrieval;
  if (mode_ == RetrievalMode::kBoth) of_prompt.search.k = 1;
  if (mode_ != RetrievalMode::kCca)
    passages_ = WholePassages(*database, FindPassages(*database, query, of_prompt, false));
  if (!UsesCrossAttention(mode_)) return;
  retriever_ = std::make_unique<NeighbourRetriever>(database, *context.model.engine->decoder().config().retro,
                                                    tokenizer_, retrieval.search, pool_);
  retriever_->Exclude(0, passages_);
}

void SequenceRetrieval::PutBefore(EngineRequest& request) {
  GiveNeighbours(request);
  std::string text;
  for (const Passage& passage : passages_) text += passage.text + "\n\n";
  if (text.empty()) return;
  std::vector<TokenId> tokens = tokenizer_.Encode(text);
  tokens.insert(tokens.end(), request.prompt.begin(), request.prompt.end());
  request.prompt = std::move(tokens);
}

void SequenceRetrieval::GiveNeighbours(EngineRequest& request) {
  if (!retriever_) return;
  request.retrieve = [self = shared_from_this()](std::span<const RetrievalQuery> queries) {
    const std::lock_guard lock(self->mutex_);
    return self->retriever_->Retrieve(queries);
  };
}

nlohmann::json SequenceRetrieval::Json() const {
  nlohmann::json chunks = nlohmann::json::array();
  if (retriever_) {
    const std::lock_guard lock(mutex_);
    for (const RetrievedChunk& chunk : retriever_->retrieved()) chunks.push_back(ChunkJson(chunks.size(), chunk, ""));
  }
  return {{"mode", ModeName(mode_)}, {"passages", PassagesJson(passages_)}, {"chunks", std::move(chunks)}};
}

}  // namespace retro
