// A question in, an answer with its sources out: retrieval into the decoder's prompt, generation, citations.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/chat_template.h"
#include "model/generator.h"
#include "retriever/neighbour_retriever.h"
#include "service/answer.h"
#include "service/answer_draft.h"
#include "service/prompt.h"
#include "service/retrieval_mode.h"

namespace retro {

struct AnswerOptions {
  // kOff: from the decoder's own memory, without sources. With cross-attention the prompt's chunks attend to the
  // question's passages, later ones to the neighbours of their own text.
  RetrievalMode retrieval = RetrievalMode::kPrompt;
  // For the question's passages, and for the neighbours of a later chunk, which are found by embedding alone.
  SearchOptions search = {.k = 3};
  int64_t retrieval_step = 0;  // as GenerationOptions::retrieval_step
  // Cosine of question and best passage below which the database is taken to hold no answer; how it was chosen is told
  // in docs/results.md. -1: never.
  float threshold = 0.35f;
  int64_t max_new_tokens = 48;
  int64_t context_len = 0;  // most tokens of prompt and answer; 0: the decoder's
  PromptForm prompt_form = PromptForm::kWorkedExamples;
  SamplingOptions sampling = {};
};

// Receives `text` piece by piece; false cancels. What it received is in the end all of Answer::text.
using AnswerCallback = std::function<bool(std::string_view text)>;

// Const methods may be called from several threads, each with its own pool. Shares its parts.
class Answerer {
 public:
  // `database` and `embedder` may be null when no question is asked with retrieval or passages.
  Answerer(std::shared_ptr<const RetrievalDatabase> database, std::shared_ptr<const Embedder> embedder,
           std::shared_ptr<const Decoder> decoder, std::shared_ptr<const Tokenizer> tokenizer,
           std::shared_ptr<const ChatTemplate> chat);

  // Throws Error(kInvalidArgument) on an empty question, on one longer than the context (naming both numbers), on
  // options that cannot be, on retrieval without a database, and on cross-attention with a decoder that has none or
  // that does not belong to the database.
  Answer Ask(std::string_view question, const AnswerOptions& options, ThreadPool& pool,
             const AnswerCallback& callback = {}) const;

  // The same from these passages, best first, without looking into the database and without the threshold. They go into
  // the prompt whatever options.retrieval says.
  Answer AskFrom(std::string_view question, std::vector<Passage> passages, const AnswerOptions& options,
                 ThreadPool& pool, const AnswerCallback& callback = {}) const;

  // Both without the generation, for a decoder that something else runs; Ask and AskFrom are made of them. `pool` must
  // outlive the draft.
  std::unique_ptr<AnswerDraft> Draft(std::string_view question, const AnswerOptions& options, ThreadPool& pool) const;
  std::unique_ptr<AnswerDraft> DraftFrom(std::string_view question, std::vector<Passage> passages,
                                         const AnswerOptions& options, ThreadPool& pool) const;

 private:
  // Null without cross-attention. `passages`: those of the prompt, then those for the encoder.
  std::unique_ptr<NeighbourRetriever> MakeRetriever(const Prompt& prompt, std::span<const Passage> passages,
                                                    const AnswerOptions& options, ThreadPool& pool) const;
  std::unique_ptr<AnswerDraft> MakeDraft(std::string_view question, std::vector<Passage> passages,
                                         const AnswerOptions& options, ThreadPool& pool) const;
  Answer Write(AnswerDraft& draft, ThreadPool& pool, const AnswerCallback& callback) const;

  std::shared_ptr<const RetrievalDatabase> database_;
  std::shared_ptr<const Embedder> embedder_;
  std::shared_ptr<const Decoder> decoder_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ChatTemplate> chat_;
};

}  // namespace retro
