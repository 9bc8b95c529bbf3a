#include "service/answerer.h"

#include <algorithm>

#include "core/error.h"
#include "service/prompt.h"

namespace retro {
namespace {

constexpr std::string_view kNothingFound = "The database holds no answer to this question.";
constexpr std::string_view kNothingSaid = "The model gave no answer.";

void Validate(std::string_view question, const AnswerOptions& options) {
  if (question.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    Throw(ErrorCode::kInvalidArgument, "the question is empty");
  }
  if (options.retrieval != RetrievalMode::kOff && options.k < 1) {
    Throw(ErrorCode::kInvalidArgument, "k is {}: it must be at least 1, or switch retrieval off", options.k);
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

std::vector<Source> MakeSources(std::vector<Passage> passages) {
  std::vector<Source> sources;
  for (Passage& passage : passages) {
    const int number = static_cast<int>(sources.size()) + 1;
    sources.push_back({.number = number, .passage = std::move(passage), .sentence = {}});
  }
  return sources;
}

// How many of the passages go into the prompt.
size_t NumInPrompt(RetrievalMode mode, size_t num_passages) {
  if (mode == RetrievalMode::kBoth) return std::min<size_t>(num_passages, 1);
  return mode == RetrievalMode::kPrompt ? num_passages : 0;
}

void Say(Answer& answer, std::string_view text, const AnswerCallback& callback) {
  answer.text = answer.plain_text = text;
  answer.found = false;
  if (callback && !callback(text)) answer.finish_reason = FinishReason::kCancelled;
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
  Validate(question, options);
  if (UsesCrossAttention(options.retrieval)) CheckTakesNeighbours(*decoder_);
  if (options.retrieval == RetrievalMode::kOff) return Write(question, {}, options, pool, callback);
  if (database_ == nullptr) {
    Throw(ErrorCode::kInvalidArgument, "retrieval is on and no database is open: give one, or switch retrieval off");
  }
  const SearchOptions search{.k = options.k, .nprobe = options.nprobe};
  std::vector<Passage> passages = database_->SearchPassages(question, search, options.with_continuation, pool);
  if (!passages.empty() && passages.front().score >= options.threshold) {
    return Write(question, std::move(passages), options, pool, callback);
  }
  Answer answer{
      .text = {}, .plain_text = {}, .sources = MakeSources(std::move(passages)), .citations = {}, .chunks = {}};
  Say(answer, kNothingFound, callback);
  FindEvidence(question, {}, answer.sources, *embedder_, pool);
  return answer;
}

Answer Answerer::AskFrom(std::string_view question, std::vector<Passage> passages, const AnswerOptions& options,
                         ThreadPool& pool, const AnswerCallback& callback) const {
  Validate(question, options);
  AnswerOptions in_prompt = options;
  in_prompt.retrieval = RetrievalMode::kPrompt;
  return Write(question, std::move(passages), in_prompt, pool, callback);
}

std::unique_ptr<NeighbourRetriever> Answerer::MakeRetriever(const Prompt& prompt, std::span<const Passage> passages,
                                                            const AnswerOptions& options, ThreadPool& pool) const {
  if (!UsesCrossAttention(options.retrieval)) return nullptr;
  const SearchOptions search{.k = options.k, .nprobe = options.nprobe};
  auto retriever =
      std::make_unique<NeighbourRetriever>(database_, *decoder_->config().retro, *tokenizer_, search, pool);
  retriever->Exclude(0, passages.first(prompt.num_passages));
  retriever->GiveUpTo(std::ssize(prompt.tokens), passages.subspan(prompt.num_passages));
  return retriever;
}

Answer Answerer::Write(std::string_view question, std::vector<Passage> passages, const AnswerOptions& options,
                       ThreadPool& pool, const AnswerCallback& callback) const {
  const int64_t most = decoder_->config().context_len;
  const int64_t context_len = options.context_len == 0 ? most : std::min(options.context_len, most);
  const size_t num_in_prompt = NumInPrompt(options.retrieval, passages.size());
  const Prompt prompt = MakePrompt(question, std::span(passages).first(num_in_prompt),
                                   context_len - options.max_new_tokens, *chat_, *tokenizer_);
  passages.erase(passages.begin() + prompt.num_passages, passages.begin() + num_in_prompt);
  const auto retriever = MakeRetriever(prompt, passages, options, pool);
  Answer answer{
      .text = {}, .plain_text = {}, .sources = MakeSources(std::move(passages)), .citations = {}, .chunks = {}};
  CitedText text(question, answer.sources);
  const auto show = [&](const std::string& piece) { return piece.empty() || !callback || callback(piece); };

  const GenerationOptions generation{.max_new_tokens = options.max_new_tokens,
                                     .stop_tokens = StopTokens(*tokenizer_),
                                     .stop_strings = {"\n"},
                                     .sampling = options.sampling,
                                     .context_len = context_len,
                                     .retrieve = retriever ? retriever->Function() : RetrieveFunction(),
                                     .retrieval_step = options.retrieval_step};
  const Generation written =
      Generate(*decoder_, *tokenizer_, {&prompt.tokens, 1}, generation, pool, [&](const GenerationStep& step) {
        return show(text.Push(step.text));
      }).front();
  const bool goes_on = show(text.Finish());
  answer.text = text.text();
  answer.plain_text = text.plain_text();
  answer.citations = text.citations();
  answer.found = answer.plain_text != kRefusal;
  if (retriever) answer.chunks = retriever->retrieved();
  answer.finish_reason = goes_on ? written.finish_reason : FinishReason::kCancelled;
  answer.prompt_tokens = written.prompt_tokens;
  answer.answer_tokens = static_cast<int64_t>(written.tokens.size());
  if (answer.text.empty()) Say(answer, kNothingSaid, callback);
  if (!answer.sources.empty()) FindEvidence(question, answer.plain_text, answer.sources, *embedder_, pool);
  return answer;
}

}  // namespace retro
