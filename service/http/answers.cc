#include <boost/asio/this_coro.hpp>

#include "core/utf8.h"
#include "service/answerer.h"
#include "service/http/answer_json.h"
#include "service/http/body_fields.h"
#include "service/http/generation_fields.h"
#include "service/http/handlers.h"
#include "service/http/model_info.h"
#include "service/http/passage_json.h"
#include "service/http/request_error.h"
#include "service/http/retrieval_fields.h"
#include "service/http/send_json.h"
#include "service/http/sequence_retrieval.h"
#include "service/http/sequences.h"
#include "service/http/workers.h"

namespace retro {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr int64_t kMostAnswerTokens = 1 << 20;

double MillisecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

struct Call {
  NamedModel model;
  std::string question;
  AnswerOptions options;
  bool stream = false;
};

Call ReadCall(const ServiceContext& context, const HttpRequest& http) {
  const nlohmann::json body = ParseBody(http, context.limits.json_depth);
  const BodyFields fields(body);
  const ServedModel& model = context.model;
  NamedModel named = ReadModel(fields, model, true);
  if (!model.chat)
    throw RequestError(404, "the model has no chat template that can be used: it does not answer questions");
  Call call{.model = std::move(named),
            .question = fields.RequiredText("question"),
            .options = model.answer,
            .stream = fields.Bool("stream", false)};
  if (call.question.find_first_not_of(" \t\r\n") == std::string::npos) RefuseField("question", "the question is empty");
  // The base was not trained to answer from passages.
  if (!call.model.adapted) call.options.prompt_form = PromptForm::kWorkedExamples;
  call.options.max_new_tokens = fields.Int("max_tokens", model.answer.max_new_tokens, 1, kMostAnswerTokens);
  call.options.sampling = ReadSampling(fields, 0);
  RetrievalFields retrieval = ReadRetrieval(fields, model);
  if (!fields.Has("retrieval")) retrieval.mode = model.answer.retrieval;
  call.options.retrieval = retrieval.mode;
  call.options.search = std::move(retrieval.search);
  if (const nlohmann::json* object = fields.Find("retrieval")) {
    const BodyFields given(*object, "retrieval.");
    call.options.threshold = static_cast<float>(given.Number("threshold", model.answer.threshold, -1, 1));
  }
  return call;
}

// What the engine's threads may still use when the client has gone.
struct Shared {
  ThreadPool pool{1};
  std::unique_ptr<AnswerDraft> draft;
};

class Answering {
 public:
  Answering(ServiceContext& context, Exchange& exchange, const asio::any_io_executor& executor)
      : context_(context), exchange_(exchange), sequences_(context, executor, "question") {}

  asio::awaitable<void> Run() {
    const auto begin = [this] { Begin(); };
    co_await OnWorker(context_.workers, begin);
    if (call_.stream) {
      co_await exchange_.BeginStream(std::string(kEventStream));
      std::string sources = SseEvent("sources", SourcesEventJson(id_, *shared_->draft));
      co_await exchange_.Write(std::move(sources));
    }
    co_await Follow();
    const auto end = [this] { return End(); };
    const nlohmann::json answer = co_await OnWorker(context_.workers, end);
    if (call_.stream) {
      std::string last = TokenEvent(rest_) + SseEvent("answer", answer);
      co_await exchange_.Write(std::move(last));
      co_await exchange_.EndStream();
    } else {
      co_await SendJson(exchange_, answer);
    }
  }

 private:
  // Passages and prompt, then to the engine. For a worker.
  void Begin() {
    call_ = ReadCall(context_, exchange_.request());
    const ServedModel& model = context_.model;
    // The engine keeps decoder and tokenizer alive.
    const auto decoder = std::shared_ptr<const Decoder>(model.engine, &model.engine->decoder());
    const auto tokenizer = std::shared_ptr<const Tokenizer>(model.engine, &model.engine->tokenizer());
    const Answerer answerer(model.database(), model.embedder, decoder, tokenizer, model.chat);
    const auto begin = Clock::now();
    shared_->draft = answerer.Draft(call_.question, call_.options, shared_->pool);
    retrieve_ms_ = MillisecondsSince(begin);
    if (call_.options.retrieval != RetrievalMode::kOff) context_.metrics.Retrieved(retrieve_ms_ / 1000);
    if (shared_->draft->needs_decoder()) sequences_.Add(Request());
  }

  EngineRequest Request() {
    const GenerationOptions generation = shared_->draft->generation();
    EngineRequest request{.prompt = shared_->draft->prompt(),
                          .max_new_tokens = generation.max_new_tokens,
                          .stop_tokens = generation.stop_tokens,
                          .stop_strings = generation.stop_strings,
                          .sampling = generation.sampling,
                          .adapted = call_.model.adapted,
                          .retrieval_step = generation.retrieval_step};
    if (generation.retrieve) {
      request.retrieve = [shared = shared_, retrieve = generation.retrieve](std::span<const RetrievalQuery> queries) {
        return retrieve(queries);
      };
    }
    return request;
  }

  // What the decoder writes, to the client as it comes.
  asio::awaitable<void> Follow() {
    while (!sequences_.finished()) {
      const std::optional<SequenceEvent> next = co_await sequences_.Next(kPingInterval);
      std::string bytes = next ? EventsOf(next->event) : std::string(kSsePing);
      if (call_.stream) co_await exchange_.Write(std::move(bytes));
    }
  }

  std::string EventsOf(const EngineEvent& event) {
    if (tokens_.empty()) first_token_ms_ = MillisecondsSince(begin_);
    for (const TokenLogProb& token : event.tokens) tokens_.push_back(token.token);
    finish_reason_ = event.finish_reason;
    std::string events;
    for (const RetrievedChunk& chunk : shared_->draft->ChunksFrom(num_chunks_)) {
      events += SseEvent("chunk", ChunkJson(num_chunks_++, chunk, ""));
    }
    return events + TokenEvent(shared_->draft->Push(event.text));
  }

  static std::string TokenEvent(const std::string& text) {
    return text.empty() ? "" : SseEvent("token", {{"text", text}});
  }

  // For a worker.
  nlohmann::json End() {
    rest_ = shared_->draft->End();
    const Answer answer = shared_->draft->Finish(finish_reason_, std::ssize(tokens_), shared_->pool);
    nlohmann::json json = AnswerJson(answer, tokens_, context_.model.engine->tokenizer());
    json.update(
        {{"id", id_},
         {"question", call_.question},
         {"model", call_.model.id},
         {"retrieval", {{"mode", ModeName(call_.options.retrieval)}, {"k", call_.options.search.k}}},
         {"timing_ms",
          {{"retrieve", retrieve_ms_}, {"first_token", first_token_ms_}, {"total", MillisecondsSince(begin_)}}}});
    return json;
  }

  ServiceContext& context_;
  Exchange& exchange_;
  const std::string id_ = NewId("ans");
  const Clock::time_point begin_ = Clock::now();
  double retrieve_ms_ = 0, first_token_ms_ = 0;
  Call call_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::vector<TokenId> tokens_;
  FinishReason finish_reason_ = FinishReason::kStop;
  size_t num_chunks_ = 0;
  std::string rest_;
  Sequences sequences_;  // last: it is destroyed, and so cancelled, first
};

}  // namespace

asio::awaitable<void> HandleAnswer(ServiceContext& context, Exchange& exchange) {
  const auto executor = co_await asio::this_coro::executor;
  Answering answering(context, exchange, executor);
  co_await answering.Run();
}

}  // namespace retro
