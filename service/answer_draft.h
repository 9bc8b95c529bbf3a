// An answer before and after its generation, for whoever runs the decoder: what the decoder is to be given, and what
// becomes of what it writes.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/generator.h"
#include "retriever/neighbour_retriever.h"
#include "service/answer.h"
#include "service/citations.h"

namespace retro {

// Made by Answerer. One thread at a time, but for what says otherwise. Neither copied nor moved: what it hands out
// refers to it.
class AnswerDraft {
 public:
  struct Parts {
    std::string question;
    std::vector<Passage> passages;                  // the sources, best first
    std::vector<TokenId> prompt;                    // empty: nothing to generate, the database holds no answer
    GenerationOptions generation;                   // without the neighbours
    std::unique_ptr<NeighbourRetriever> retriever;  // null without cross-attention
    std::shared_ptr<const Embedder> embedder;       // null when there are no passages
  };
  explicit AnswerDraft(Parts parts);
  AnswerDraft(const AnswerDraft&) = delete;
  AnswerDraft& operator=(const AnswerDraft&) = delete;

  // False: there is nothing to generate; End() says so.
  bool needs_decoder() const { return !parts_.prompt.empty(); }
  const std::vector<TokenId>& prompt() const { return parts_.prompt; }
  // Its retrieve function, which may be called on a thread of its own, refers to this object.
  GenerationOptions generation();
  std::span<const Source> sources() const { return answer_.sources; }

  // Takes the next piece of the decoder's text and returns what can be shown now. What Push and End return is together
  // all of Answer::text.
  std::string Push(std::string_view piece);
  // The rest: when the decoder said nothing, the sentence that tells so.
  std::string End();
  // After End(). Looks for the sentences that support the answer.
  Answer Finish(FinishReason reason, int64_t num_tokens, ThreadPool& pool);

  // What cross-attention was given from the `first`-th chunk on. From any thread.
  std::vector<RetrievedChunk> ChunksFrom(size_t first) const;

 private:
  std::vector<ChunkNeighbours> Retrieve(std::span<const RetrievalQuery> queries);

  Parts parts_;
  Answer answer_;
  CitedText text_;
  mutable std::mutex mutex_;  // of chunks_
  std::vector<RetrievedChunk> chunks_;
};

}  // namespace retro
