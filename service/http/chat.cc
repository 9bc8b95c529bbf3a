#include <boost/asio/this_coro.hpp>

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
#include "service/http/workers.h"
#include "service/prompt.h"

namespace retro {
namespace {

namespace asio = boost::asio;

constexpr int64_t kMostTop = 20;  // OpenAI's
constexpr size_t kMostMessages = 10000;

struct Call {
  NamedModel model;
  std::vector<ChatMessage> messages;
  EngineRequest request;
  StreamFields stream;
  RetrievalFields retrieval;
  int64_t n = 1;
  bool log_probs = false;
};

// A text, or parts of which all are text.
std::string ReadContent(const nlohmann::json* content, const std::string& param) {
  if (content == nullptr) return "";
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array())
    RefuseField(param, "{} is {}: it must be a text or a list of parts", param, Shown(*content));
  std::string text;
  for (const nlohmann::json& part : *content) {
    const BodyFields fields(part, param + ".");
    if (fields.Text("type", "text") != "text") RefuseField(param, "{} has a part that is no text", param);
    text += fields.RequiredText("text");
  }
  return text;
}

std::vector<ChatMessage> ReadMessages(const BodyFields& call) {
  const nlohmann::json* list = call.Find("messages");
  if (list == nullptr || !list->is_array() || list->empty() || list->size() > kMostMessages) {
    RefuseField("messages", "messages must be a list of 1 to {} messages", kMostMessages);
  }
  std::vector<ChatMessage> messages;
  for (const nlohmann::json& entry : *list) {
    const std::string path = fmt::format("messages[{}]", messages.size());
    const BodyFields fields(entry, path + ".");
    std::string role = fields.RequiredText("role");
    if (role == "developer") role = "system";
    messages.push_back({std::move(role), ReadContent(fields.Find("content"), path + ".content")});
  }
  return messages;
}

Call ReadCall(const ServiceContext& context, const HttpRequest& http) {
  const nlohmann::json body = ParseBody(http, context.limits.json_depth);
  const BodyFields fields(body);
  Call call;
  call.retrieval = ReadRetrieval(fields, context.model);
  call.model = ReadModel(fields, context.model, call.retrieval.mode != RetrievalMode::kOff);
  if (!context.model.chat)
    throw RequestError(404, "the model has no chat template that can be used: use /v1/completions");
  call.messages = ReadMessages(fields);
  call.request = ReadGeneration(fields, call.model, context.model);
  call.stream = ReadStreamFields(fields);
  call.n = ReadN(fields);
  const int64_t max_tokens = fields.Int("max_tokens", kMostTokens, 1, kMostTokens);
  call.request.max_new_tokens = fields.Int("max_completion_tokens", max_tokens, 1, kMostTokens);
  call.log_probs = fields.Bool("logprobs", false);
  const int64_t top = fields.Int("top_logprobs", 0, 0, kMostTop);
  if (top > 0 && !call.log_probs) RefuseField("top_logprobs", "top_logprobs is only for logprobs: true");
  call.request.top_log_probs = call.log_probs ? static_cast<int>(top) : -1;
  return call;
}

// With the passages before the last question, and the rule for them where the conversation has none of its own.
std::vector<ChatMessage> WithPassages(std::vector<ChatMessage> messages, const std::vector<Passage>& passages) {
  if (passages.empty()) return messages;
  std::string& question = messages.back().content;
  question = QuestionWithPassages(passages, question);
  if (messages.front().role != "system") {
    messages.insert(messages.begin(), {"system", std::string(PassageInstruction())});
  }
  return messages;
}

// One answer in the making. Neither copied nor moved: its text refers to its sources.
struct Choice {
  Choice(const Call& call, std::shared_ptr<SequenceRetrieval> given, const Tokenizer& tokenizer,
         std::span<const TokenId> prompt)
      : retrieval(std::move(given)), names(tokenizer, prompt, false) {
    if (!retrieval || retrieval->passages().empty()) return;
    sources = NumberSources(retrieval->passages());
    cited.emplace(call.messages.back().content, sources);
  }
  Choice(const Choice&) = delete;
  Choice& operator=(const Choice&) = delete;

  // What can be shown now.
  std::string Take(const EngineEvent& event) {
    std::string seen = event.text;
    if (cited) {
      seen = cited->Push(event.text);
      if (event.finished) seen += cited->Finish();
    }
    text += seen;
    finish_reason = event.finish_reason;
    return seen;
  }

  std::shared_ptr<SequenceRetrieval> retrieval;  // null when it is off
  std::vector<Source> sources;
  std::optional<CitedText> cited;
  TokenNames names;
  std::string text;
  nlohmann::json log_probs = nlohmann::json::array();
  FinishReason finish_reason = FinishReason::kLength;
};

// OpenAI's form of citations: the sentences that passages support, each with the address of what supports it.
nlohmann::json AnnotationsJson(const Choice& choice) {
  nlohmann::json list = nlohmann::json::array();
  if (!choice.cited) return list;
  for (const Citation& citation : choice.cited->citations()) {
    const int64_t begin = NumCodePoints(std::string_view(choice.text).substr(0, citation.begin));
    const int64_t end = NumCodePoints(std::string_view(choice.text).substr(0, citation.end));
    for (const int number : citation.sources) {
      const DocumentInfo& document = choice.sources[number - 1].passage.document;
      list.push_back({{"type", "url_citation"},
                      {"url_citation",
                       {{"start_index", begin},
                        {"end_index", end},
                        {"url", document.url.empty() ? "urn:document:" + document.id : document.url},
                        {"title", document.title.empty() ? document.id : document.title}}}});
    }
  }
  return list;
}

class Chat {
 public:
  Chat(ServiceContext& context, Exchange& exchange, const asio::any_io_executor& executor)
      : context_(context), exchange_(exchange), sequences_(context, executor, "messages") {
    head_ = {{"id", NewId("chatcmpl")}, {"created", UnixSeconds()}};
  }

  asio::awaitable<void> Run() {
    const auto begin = [this] {
      call_ = ReadCall(context_, exchange_.request());
      Submit();
    };
    co_await OnWorker(context_.workers, begin);
    head_["model"] = call_.model.id;
    head_["object"] = call_.stream.stream ? "chat.completion.chunk" : "chat.completion";
    if (call_.stream.stream) {
      co_await Stream();
    } else {
      co_await Reply();
    }
  }

 private:
  void Submit() {
    const Tokenizer& tokenizer = context_.model.engine->tokenizer();
    for (int64_t sample = 0; sample < call_.n; ++sample) {
      auto retrieval = SequenceRetrieval::Make(context_, call_.retrieval, call_.messages.back().content);
      EngineRequest request = call_.request;
      request.prompt = Render(retrieval ? retrieval->passages() : std::vector<Passage>());
      request.sample_index = static_cast<uint64_t>(sample);
      if (retrieval) retrieval->GiveNeighbours(request);
      choices_.push_back(std::make_unique<Choice>(call_, std::move(retrieval), tokenizer, request.prompt));
      sequences_.Add(std::move(request));
    }
  }

  std::vector<TokenId> Render(const std::vector<Passage>& passages) const {
    try {
      return context_.model.chat->Render(WithPassages(call_.messages, passages), true,
                                         context_.model.engine->tokenizer());
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kInvalidArgument) throw RequestError("messages", error.what());
      throw;
    }
  }

  std::string Take(const SequenceEvent& next, nlohmann::json& log_probs) {
    Choice& choice = *choices_[next.sequence];
    for (const TokenLogProb& token : next.event.tokens) {
      if (call_.log_probs) log_probs.push_back(ChatLogProb(token, choice.names));
      choice.names.Push(token.token);
    }
    return choice.Take(next.event);
  }

  asio::awaitable<void> Reply() {
    while (!sequences_.finished()) {
      const std::optional<SequenceEvent> next = co_await sequences_.Next(std::chrono::hours(1));
      if (next) Take(*next, choices_[next->sequence]->log_probs);
    }
    const auto make = [this] {
      head_["choices"] = nlohmann::json::array();
      for (size_t i = 0; i < choices_.size(); ++i) head_["choices"].push_back(ChoiceJson(i));
      head_["usage"] = Usage();
      return DumpJson(head_);
    };
    HttpReply reply;
    reply.body = co_await OnWorker(context_.workers, make);
    co_await exchange_.Send(std::move(reply));
  }

  nlohmann::json ChoiceJson(size_t index) const {
    const Choice& choice = *choices_[index];
    nlohmann::json message = {{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
    if (choice.retrieval) {
      message["annotations"] = AnnotationsJson(choice);
      message["retrieval"] = choice.retrieval->Json();
    }
    return {{"index", index},
            {"message", std::move(message)},
            {"logprobs", call_.log_probs ? nlohmann::json{{"content", choice.log_probs}} : nlohmann::json()},
            {"finish_reason", FinishReasonName(choice.finish_reason)}};
  }

  asio::awaitable<void> Stream() {
    co_await exchange_.BeginStream(std::string(kEventStream));
    std::string first;
    for (size_t i = 0; i < choices_.size(); ++i) {
      first += DeltaEvent(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
    }
    co_await exchange_.Write(std::move(first));
    while (!sequences_.finished()) {
      const std::optional<SequenceEvent> next = co_await sequences_.Next(kPingInterval);
      std::string bytes = next ? EventsOf(*next) : std::string(kSsePing);
      co_await exchange_.Write(std::move(bytes));
    }
    co_await exchange_.Write(LastEvents(head_, Usage(), call_.stream));
    co_await exchange_.EndStream();
  }

  std::string EventsOf(const SequenceEvent& next) {
    nlohmann::json entries = nlohmann::json::array();
    const std::string text = Take(next, entries);
    std::string events;
    if (!text.empty() || !entries.empty()) {
      nlohmann::json log_probs = call_.log_probs ? nlohmann::json{{"content", std::move(entries)}} : nlohmann::json();
      events += DeltaEvent(next.sequence, {{"content", text}}, std::move(log_probs), nullptr);
    }
    if (!next.event.finished) return events;
    const Choice& choice = *choices_[next.sequence];
    nlohmann::json delta = nlohmann::json::object();
    if (choice.retrieval) {
      delta["annotations"] = AnnotationsJson(choice);
      delta["retrieval"] = choice.retrieval->Json();
    }
    return events + DeltaEvent(next.sequence, std::move(delta), nullptr, FinishReasonName(choice.finish_reason));
  }

  std::string DeltaEvent(size_t index, nlohmann::json delta, nlohmann::json log_probs, nlohmann::json finish_reason) {
    nlohmann::json choice = {{"index", index},
                             {"delta", std::move(delta)},
                             {"logprobs", std::move(log_probs)},
                             {"finish_reason", std::move(finish_reason)}};
    return ChunkEvent(head_, nlohmann::json::array({std::move(choice)}), nullptr, call_.stream);
  }

  nlohmann::json Usage() const {
    return UsageJson(sequences_.prompt_tokens(0), sequences_.generated_tokens(), sequences_.cached_prompt_tokens());
  }

  ServiceContext& context_;
  Exchange& exchange_;
  Call call_;
  std::vector<std::unique_ptr<Choice>> choices_;
  nlohmann::json head_;
  Sequences sequences_;  // last: it is destroyed, and so cancelled, first
};

}  // namespace

asio::awaitable<void> HandleChat(ServiceContext& context, Exchange& exchange) {
  const auto executor = co_await asio::this_coro::executor;
  Chat chat(context, exchange, executor);
  co_await chat.Run();
}

}  // namespace retro
