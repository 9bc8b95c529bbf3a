#include "service/answer_draft.h"

#include "service/prompt.h"

namespace retro {
namespace {

constexpr std::string_view kNothingFound = "The database holds no answer to this question.";
constexpr std::string_view kNothingSaid = "The model gave no answer.";

}  // namespace

AnswerDraft::AnswerDraft(Parts parts)
    : parts_(std::move(parts)),
      answer_{.text = {},
              .plain_text = {},
              .sources = NumberSources(std::move(parts_.passages)),
              .citations = {},
              .chunks = {}},
      text_(parts_.question, answer_.sources) {}

GenerationOptions AnswerDraft::generation() {
  GenerationOptions options = parts_.generation;
  if (parts_.retriever) {
    options.retrieve = [this](std::span<const RetrievalQuery> queries) { return Retrieve(queries); };
  }
  return options;
}

std::vector<ChunkNeighbours> AnswerDraft::Retrieve(std::span<const RetrievalQuery> queries) {
  auto neighbours = parts_.retriever->Retrieve(queries);
  const std::lock_guard lock(mutex_);
  const auto& all = parts_.retriever->retrieved();
  chunks_.insert(chunks_.end(), all.begin() + std::ssize(chunks_), all.end());
  return neighbours;
}

std::vector<RetrievedChunk> AnswerDraft::ChunksFrom(size_t first) const {
  const std::lock_guard lock(mutex_);
  return {chunks_.begin() + std::min(first, chunks_.size()), chunks_.end()};
}

std::string AnswerDraft::Push(std::string_view piece) { return text_.Push(piece); }

std::string AnswerDraft::End() {
  std::string rest = text_.Finish();
  answer_.text = text_.text();
  answer_.plain_text = text_.plain_text();
  answer_.citations = text_.citations();
  answer_.found = answer_.plain_text != kRefusal;
  if (!answer_.text.empty()) return rest;
  answer_.found = false;
  answer_.text = answer_.plain_text = needs_decoder() ? kNothingSaid : kNothingFound;
  return answer_.text;
}

Answer AnswerDraft::Finish(FinishReason reason, int64_t num_tokens, ThreadPool& pool) {
  answer_.finish_reason = reason;
  answer_.prompt_tokens = std::ssize(parts_.prompt);
  answer_.answer_tokens = num_tokens;
  answer_.chunks = ChunksFrom(0);
  // What says that nothing was found supports nothing: then the sentences nearest to the question are shown.
  const std::string_view said = needs_decoder() ? std::string_view(answer_.plain_text) : std::string_view();
  if (!answer_.sources.empty()) FindEvidence(parts_.question, said, answer_.sources, *parts_.embedder, pool);
  return std::move(answer_);
}

}  // namespace retro
