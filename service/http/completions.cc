#include <boost/asio/this_coro.hpp>

#include "core/utf8.h"
#include "service/http/body_fields.h"
#include "service/http/code_points.h"
#include "service/http/generation_fields.h"
#include "service/http/handlers.h"
#include "service/http/log_prob_json.h"
#include "service/http/model_info.h"
#include "service/http/request_error.h"
#include "service/http/send_json.h"
#include "service/http/sequence_retrieval.h"
#include "service/http/sequences.h"
#include "service/http/token_fields.h"
#include "service/http/workers.h"

namespace retro {
namespace {

namespace asio = boost::asio;

constexpr int64_t kDefaultMaxTokens = 16;  // OpenAI's

struct Prompt {
  std::vector<TokenId> tokens;
  std::string text;
};

struct Call {
  NamedModel model;
  std::vector<Prompt> prompts;
  EngineRequest request;  // of each, without the prompt
  StreamFields stream;
  RetrievalFields retrieval;
  int64_t n = 1;
  bool echo = false, as_ids = false;
  int log_probs = -1;
};

// One text in the making: a prompt's, or one of its several.
struct Choice {
  const Prompt* prompt;
  std::shared_ptr<SequenceRetrieval> retrieval;  // null when it is off
  std::optional<CompletionLogProbs> log_probs = {};
  std::string text = {};
  FinishReason finish_reason = FinishReason::kLength;
};

Prompt TextPrompt(std::string text, const Tokenizer& tokenizer, bool add_special) {
  std::vector<TokenId> tokens =
      tokenizer.Encode(text, EncodeOptions{.parse_special = true, .add_special = add_special});
  return {std::move(tokens), std::move(text)};
}

Prompt TokenPrompt(const nlohmann::json& ids, const Tokenizer& tokenizer) {
  std::vector<TokenId> tokens = ReadTokens(ids, "prompt", tokenizer);
  std::string text = ReplaceInvalidUtf8(tokenizer.Decode(tokens));
  return {std::move(tokens), std::move(text)};
}

// A text, a list of texts, a list of ids, or a list of lists of ids.
std::vector<Prompt> ReadPrompts(const BodyFields& fields, const Tokenizer& tokenizer) {
  const nlohmann::json* prompt = fields.Find("prompt");
  if (prompt == nullptr) RefuseField("prompt", "prompt is missing: it must be a text, token ids, or a list of these");
  const bool add_special = fields.Bool("add_special_tokens", true);
  if (prompt->is_string()) return {TextPrompt(prompt->get<std::string>(), tokenizer, add_special)};
  if (!prompt->is_array() || prompt->empty()) {
    RefuseField("prompt", "prompt is {}: it must be a text, token ids, or a list of these",
                prompt->is_array() ? "an empty list" : Shown(*prompt));
  }
  if (!prompt->front().is_array() && !prompt->front().is_string()) return {TokenPrompt(*prompt, tokenizer)};
  std::vector<Prompt> prompts;
  for (const nlohmann::json& one : *prompt) {
    prompts.push_back(one.is_string() ? TextPrompt(one.get<std::string>(), tokenizer, add_special)
                                      : TokenPrompt(one, tokenizer));
  }
  return prompts;
}

Call ReadCall(const ServiceContext& context, const HttpRequest& http) {
  const nlohmann::json body = ParseBody(http, context.limits.json_depth);
  const BodyFields fields(body);
  Call call;
  call.retrieval = ReadRetrieval(fields, context.model);
  call.model = ReadModel(fields, context.model, call.retrieval.mode != RetrievalMode::kOff);
  if (!fields.Text("suffix", "").empty()) RefuseField("suffix", "suffix is not supported: leave it out");
  call.request = ReadGeneration(fields, call.model, context.model);
  call.stream = ReadStreamFields(fields);
  call.n = ReadN(fields);
  call.echo = fields.Bool("echo", false);
  call.as_ids = fields.Bool("return_tokens_as_token_ids", false);
  call.log_probs = static_cast<int>(fields.Int("logprobs", -1, 0, kMostLogProbs));
  call.request.max_new_tokens = fields.Int("max_tokens", kDefaultMaxTokens, call.echo ? 0 : 1, kMostTokens);
  call.request.top_log_probs = call.log_probs;
  call.request.prompt_log_probs = call.echo && call.log_probs >= 0;
  // Clients that score prompts count on one generated entry, whatever it is.
  if (call.request.prompt_log_probs && call.request.max_new_tokens == 1) call.request.stop_tokens.clear();
  call.prompts = ReadPrompts(fields, context.model.engine->tokenizer());
  const int64_t num_sequences = std::ssize(call.prompts) * call.n;
  if (num_sequences > context.limits.sequences_per_request) {
    RefuseField("prompt", "{} prompts with n {} are {} texts: at most {} may be asked for at once", call.prompts.size(),
                call.n, num_sequences, context.limits.sequences_per_request);
  }
  return call;
}

// Retrieval, then everything to the engine. For a worker.
std::vector<Choice> Submit(ServiceContext& context, const Call& call, Sequences& sequences) {
  const Tokenizer& tokenizer = context.model.engine->tokenizer();
  std::vector<Choice> choices;
  for (const Prompt& prompt : call.prompts) {
    for (int64_t sample = 0; sample < call.n; ++sample) {
      EngineRequest request = call.request;
      request.prompt = prompt.tokens;
      request.sample_index = static_cast<uint64_t>(sample);
      Choice choice{.prompt = &prompt, .retrieval = SequenceRetrieval::Make(context, call.retrieval, prompt.text)};
      if (choice.retrieval) choice.retrieval->PutBefore(request);
      if (call.log_probs >= 0) {
        const auto before = call.echo ? std::span<const TokenId>() : std::span<const TokenId>(prompt.tokens);
        choice.log_probs.emplace(tokenizer, before, call.log_probs, call.as_ids, 0);
      }
      sequences.Add(std::move(request));
      choices.push_back(std::move(choice));
    }
  }
  return choices;
}

void PushLogProbs(const Call& call, const EngineEvent& event, Choice& choice) {
  if (!choice.log_probs) return;
  // Passages put before the prompt are not echoed.
  const size_t before = event.prompt.empty() ? 0 : event.prompt.size() - choice.prompt->tokens.size();
  for (size_t i = before; i < event.prompt.size(); ++i) choice.log_probs->Push(event.prompt[i]);
  for (const TokenLogProb& token : event.tokens) choice.log_probs->Push(token);
  const bool by_stop_string = event.finished && event.finish_reason == FinishReason::kStop;
  if (by_stop_string && !call.request.stop_strings.empty()) choice.log_probs->CutAt(NumCodePoints(choice.text));
}

nlohmann::json FinishJson(bool finished, FinishReason reason) {
  return finished ? nlohmann::json(FinishReasonName(reason)) : nlohmann::json();
}

nlohmann::json ChoiceJson(size_t index, Choice& choice, const std::string& text, bool finished) {
  nlohmann::json json = {{"index", index},
                         {"text", text},
                         {"logprobs", choice.log_probs ? choice.log_probs->Take() : nlohmann::json()},
                         {"finish_reason", FinishJson(finished, choice.finish_reason)}};
  if (choice.retrieval && finished) json["retrieval"] = choice.retrieval->Json();
  return json;
}

class Completion {
 public:
  Completion(ServiceContext& context, Exchange& exchange, const asio::any_io_executor& executor)
      : context_(context), exchange_(exchange), sequences_(context, executor, "prompt") {
    head_ = {{"id", NewId("cmpl")}, {"object", "text_completion"}, {"created", UnixSeconds()}};
  }

  asio::awaitable<void> Run() {
    const auto begin = [this] {
      call_ = ReadCall(context_, exchange_.request());
      choices_ = Submit(context_, call_, sequences_);
    };
    co_await OnWorker(context_.workers, begin);
    head_["model"] = call_.model.id;
    if (call_.echo) {
      for (Choice& choice : choices_) choice.text = choice.prompt->text;
    }
    if (call_.stream.stream) {
      co_await Stream();
    } else {
      co_await Reply();
    }
  }

 private:
  // Adds an event to its choice and returns the text that it brought.
  std::string Take(const SequenceEvent& next) {
    Choice& choice = choices_[next.sequence];
    choice.text += next.event.text;
    choice.finish_reason = next.event.finish_reason;
    PushLogProbs(call_, next.event, choice);
    return next.event.text;
  }

  asio::awaitable<void> Reply() {
    while (!sequences_.finished()) {
      const std::optional<SequenceEvent> next = co_await sequences_.Next(std::chrono::hours(1));
      if (next) Take(*next);
    }
    const auto make = [this] {
      nlohmann::json list = nlohmann::json::array();
      for (size_t i = 0; i < choices_.size(); ++i) list.push_back(ChoiceJson(i, choices_[i], choices_[i].text, true));
      head_["choices"] = std::move(list);
      head_["usage"] = Usage();
      return DumpJson(head_);
    };
    HttpReply reply;
    reply.body = co_await OnWorker(context_.workers, make);
    co_await exchange_.Send(std::move(reply));
  }

  asio::awaitable<void> Stream() {
    co_await exchange_.BeginStream(std::string(kEventStream));
    std::vector<bool> began(choices_.size());
    while (!sequences_.finished()) {
      const std::optional<SequenceEvent> next = co_await sequences_.Next(kPingInterval);
      std::string bytes = next ? EventOf(*next, began) : std::string(kSsePing);
      co_await exchange_.Write(std::move(bytes));
    }
    co_await exchange_.Write(LastEvents(head_, Usage(), call_.stream));
    co_await exchange_.EndStream();
  }

  // Empty when the event brought nothing to see.
  std::string EventOf(const SequenceEvent& next, std::vector<bool>& began) {
    std::string text = Take(next);
    if (!began[next.sequence] && call_.echo) text = choices_[next.sequence].text;
    began[next.sequence] = true;
    const bool says_nothing = text.empty() && !call_.request.prompt_log_probs && call_.log_probs < 0;
    if (says_nothing && !next.event.finished) return "";
    nlohmann::json choice = ChoiceJson(next.sequence, choices_[next.sequence], text, next.event.finished);
    return ChunkEvent(head_, nlohmann::json::array({std::move(choice)}), nullptr, call_.stream);
  }

  nlohmann::json Usage() const {
    int64_t prompt_tokens = 0;
    for (size_t i = 0; i < choices_.size(); i += call_.n) prompt_tokens += sequences_.prompt_tokens(i);
    return UsageJson(prompt_tokens, sequences_.generated_tokens(), sequences_.cached_prompt_tokens());
  }

  ServiceContext& context_;
  Exchange& exchange_;
  Call call_;
  std::vector<Choice> choices_;
  nlohmann::json head_;
  Sequences sequences_;  // last: it is destroyed, and so cancelled, first
};

}  // namespace

asio::awaitable<void> HandleCompletions(ServiceContext& context, Exchange& exchange) {
  const auto executor = co_await asio::this_coro::executor;
  Completion completion(context, exchange, executor);
  co_await completion.Run();
}

}  // namespace retro
