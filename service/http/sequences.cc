#include "service/http/sequences.h"

#include "service/http/request_error.h"

namespace retro {
namespace {

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Sequences::Sequences(ServiceContext& context, const boost::asio::any_io_executor& executor, std::string param)
    : context_(context), param_(std::move(param)), mailbox_(std::make_shared<Mailbox<SequenceEvent>>(executor)) {}

void Sequences::Add(EngineRequest request) {
  Sequence sequence{.ticket = nullptr, .begin = Clock::now(), .prompt_tokens = std::ssize(request.prompt)};
  const size_t index = sequences_.size();
  const int64_t room = context_.model.engine->decoder().config().context_len - sequence.prompt_tokens;
  if (room < std::min<int64_t>(request.max_new_tokens, 1)) {
    RefuseField(param_, "the prompt has {} tokens, and the model's context {} with the new ones among them: shorten it",
                sequence.prompt_tokens, sequence.prompt_tokens + room);
  }
  request.max_new_tokens = std::min(request.max_new_tokens, room);
  try {
    sequence.ticket =
        context_.model.engine->Submit(std::move(request), [mailbox = mailbox_, index](const EngineEvent& event) {
          mailbox->Push({index, event});
        });
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInvalidArgument) throw RequestError(param_, error.what());
    throw;
  }
  sequences_.push_back(std::move(sequence));
}

boost::asio::awaitable<std::optional<SequenceEvent>> Sequences::Next(std::chrono::milliseconds patience) {
  std::optional<SequenceEvent> next = co_await mailbox_->Next(patience);
  if (next) {
    if (next->event.error) std::rethrow_exception(next->event.error);
    Count(*next);
  }
  co_return next;
}

void Sequences::Count(const SequenceEvent& next) {
  Sequence& sequence = sequences_[next.sequence];
  const EngineEvent& event = next.event;
  sequence.generated_tokens += std::ssize(event.tokens);
  sequence.cached_tokens += event.cached_prompt_tokens;
  if (!sequence.began && !event.tokens.empty()) {
    sequence.began = true;
    context_.metrics.FirstToken(SecondsSince(sequence.begin));
  }
  if (!event.finished) return;
  ++num_finished_;
  if (event.finish_reason == FinishReason::kCancelled) throw RequestError(503, "the server is stopping");
  context_.metrics.SequenceFinished(event.finish_reason, SecondsSince(sequence.begin), sequence.prompt_tokens,
                                    sequence.generated_tokens);
}

int64_t Sequences::generated_tokens() const {
  int64_t count = 0;
  for (const Sequence& sequence : sequences_) count += sequence.generated_tokens;
  return count;
}

int64_t Sequences::cached_prompt_tokens() const {
  int64_t count = 0;
  for (const Sequence& sequence : sequences_) count += sequence.cached_tokens;
  return count;
}

}  // namespace retro
