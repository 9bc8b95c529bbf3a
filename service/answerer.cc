#include "service/answerer.h"

#include <algorithm>

#include "core/error.h"
#include "service/prompt.h"
#include "service/whole_passages.h"

namespace retro {
namespace {

void Validate(std::string_view question, const AnswerOptions& options) {
  if (question.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    Throw(ErrorCode::kInvalidArgument, "the question is empty");
  }
  if (options.retrieval != RetrievalMode::kOff && options.search.k < 1) {
    Throw(ErrorCode::kInvalidArgument, "k is {}: it must be at least 1, or switch retrieval off", options.search.k);
  }
  if (!(options.threshold >= -1 && options.threshold <= 1)) {
    Throw(ErrorCode::kInvalidArgument, "threshold is {}: it is a cosine, from -1 (always answer) to 1",
          options.threshold);
  }
  if (options.max_new_tokens < 1) {
    Throw(ErrorCode::kInvalidArgument, "max_new_tokens is {}: it must be at least 1", options.max_new_tokens);
  }
  options.sampling.Validate();
}

// How many of the passages go into the prompt.
size_t NumInPrompt(RetrievalMode mode, size_t num_passages) {
  if (mode == RetrievalMode::kBoth) return std::min<size_t>(num_passages, 1);
  return mode == RetrievalMode::kPrompt ? num_passages : 0;
}

}  // namespace

Answerer::Answerer(std::shared_ptr<const RetrievalDatabase> database, std::shared_ptr<const Embedder> embedder,
                   std::shared_ptr<const Decoder> decoder, std::shared_ptr<const Tokenizer> tokenizer,
                   std::shared_ptr<const ChatTemplate> chat)
    : database_(std::move(database)),
      embedder_(std::move(embedder)),
      decoder_(std::move(decoder)),
      tokenizer_(std::move(tokenizer)),
      chat_(std::move(chat)) {}

Answer Answerer::Ask(std::string_view question, const AnswerOptions& options, ThreadPool& pool,
                     const AnswerCallback& callback) const {
  return Write(*Draft(question, options, pool), pool, callback);
}

Answer Answerer::AskFrom(std::string_view question, std::vector<Passage> passages, const AnswerOptions& options,
                         ThreadPool& pool, const AnswerCallback& callback) const {
  return Write(*DraftFrom(question, std::move(passages), options, pool), pool, callback);
}

std::unique_ptr<AnswerDraft> Answerer::Draft(std::string_view question, const AnswerOptions& options,
                                             ThreadPool& pool) const {
  Validate(question, options);
  if (UsesCrossAttention(options.retrieval)) CheckTakesNeighbours(*decoder_);
  if (options.retrieval == RetrievalMode::kOff) return MakeDraft(question, {}, options, pool);
  if (database_ == nullptr) {
    Throw(ErrorCode::kInvalidArgument, "retrieval is on and no database is open: give one, or switch retrieval off");
  }
  // What only cross-attention reads stays in chunks.
  const bool as_text = options.retrieval == RetrievalMode::kPrompt;
  std::vector<Passage> passages = database_->SearchPassages(question, options.search, !as_text, pool);
  if (as_text) passages = WholePassages(*database_, std::move(passages));
  // The nearest is not the first where words decide as well.
  if (std::ranges::any_of(passages, [&](const Passage& passage) { return passage.score >= options.threshold; })) {
    return MakeDraft(question, std::move(passages), options, pool);
  }
  return std::make_unique<AnswerDraft>(AnswerDraft::Parts{.question = std::string(question),
                                                          .passages = std::move(passages),
                                                          .prompt = {},
                                                          .generation = {},
                                                          .retriever = nullptr,
                                                          .embedder = embedder_});
}

std::unique_ptr<AnswerDraft> Answerer::DraftFrom(std::string_view question, std::vector<Passage> passages,
                                                 const AnswerOptions& options, ThreadPool& pool) const {
  Validate(question, options);
  AnswerOptions in_prompt = options;
  in_prompt.retrieval = RetrievalMode::kPrompt;
  return MakeDraft(question, std::move(passages), in_prompt, pool);
}

std::unique_ptr<NeighbourRetriever> Answerer::MakeRetriever(const Prompt& prompt, std::span<const Passage> passages,
                                                            const AnswerOptions& options, ThreadPool& pool) const {
  if (!UsesCrossAttention(options.retrieval)) return nullptr;
  SearchOptions search = options.search;
  search.lexical = LexicalMode::kOff;
  auto retriever =
      std::make_unique<NeighbourRetriever>(database_, *decoder_->config().retro, *tokenizer_, search, pool);
  retriever->Exclude(0, passages.first(prompt.num_passages));
  retriever->GiveUpTo(std::ssize(prompt.tokens), passages.subspan(prompt.num_passages));
  return retriever;
}

std::unique_ptr<AnswerDraft> Answerer::MakeDraft(std::string_view question, std::vector<Passage> passages,
                                                 const AnswerOptions& options, ThreadPool& pool) const {
  const int64_t most = decoder_->config().context_len;
  const int64_t context_len = options.context_len == 0 ? most : std::min(options.context_len, most);
  const size_t num_in_prompt = NumInPrompt(options.retrieval, passages.size());
  Prompt prompt = MakePrompt(question, std::span(passages).first(num_in_prompt), options.prompt_form,
                             context_len - options.max_new_tokens, *chat_, *tokenizer_);
  passages.erase(passages.begin() + prompt.num_passages, passages.begin() + num_in_prompt);
  auto retriever = MakeRetriever(prompt, passages, options, pool);
  return std::make_unique<AnswerDraft>(AnswerDraft::Parts{.question = std::string(question),
                                                          .passages = std::move(passages),
                                                          .prompt = std::move(prompt.tokens),
                                                          .generation = {.max_new_tokens = options.max_new_tokens,
                                                                         .stop_tokens = StopTokens(*tokenizer_),
                                                                         .stop_strings = {"\n"},
                                                                         .sampling = options.sampling,
                                                                         .context_len = context_len,
                                                                         .retrieval_step = options.retrieval_step},
                                                          .retriever = std::move(retriever),
                                                          .embedder = embedder_});
}

Answer Answerer::Write(AnswerDraft& draft, ThreadPool& pool, const AnswerCallback& callback) const {
  const auto show = [&](const std::string& piece) { return piece.empty() || !callback || callback(piece); };
  Generation written{.tokens = {}, .log_probs = {}, .text = {}, .finish_reason = FinishReason::kStop};
  if (draft.needs_decoder()) {
    written = Generate(*decoder_, *tokenizer_, {&draft.prompt(), 1}, draft.generation(), pool,
                       [&](const GenerationStep& step) { return show(draft.Push(step.text)); })
                  .front();
  }
  const bool goes_on = show(draft.End());
  return draft.Finish(goes_on ? written.finish_reason : FinishReason::kCancelled, std::ssize(written.tokens), pool);
}

}  // namespace retro
