// The routes that other people's clients call, by what those clients read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/utf8.h"
#include "model/score.h"
#include "tests/service-http/toy_service.h"

namespace retro {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json Completion(const std::string& prompt) { return {{"prompt", prompt}, {"max_tokens", 40}, {"temperature", 0}}; }

std::string ErrorParam(const ClientReply& reply) {
  const json error = reply.Json()["error"];
  return error["param"].is_null() ? "" : error["param"].get<std::string>();
}

TEST(Completions, ContinueAPrompt) {
  ToyService service;
  service.Start();
  const json reply = service.Post("/v1/completions", Completion("Who?>")).Json();
  EXPECT_EQ(reply["object"], "text_completion");
  EXPECT_EQ(reply["model"], "toy");
  EXPECT_EQ(reply["choices"][0]["text"], "Elsa Norling");
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(reply["choices"][0]["logprobs"].is_null());
  EXPECT_EQ(reply["usage"]["prompt_tokens"], 5);
  EXPECT_EQ(reply["usage"]["completion_tokens"], 12);
}

TEST(Completions, TakePromptsInAllFourForms) {
  ToyService service("yes");
  service.Start();
  const json ids = {'a', '>'};
  for (const json& prompt : std::vector<json>{"a>", {"a>", "b>"}, ids, {ids, ids}}) {
    json body = Completion("");
    body["prompt"] = prompt;
    const json reply = service.Post("/v1/completions", body).Json();
    const size_t count = prompt.is_array() && !prompt[0].is_number() ? prompt.size() : 1;
    ASSERT_EQ(reply["choices"].size(), count) << reply;
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(reply["choices"][i]["index"], i);
      EXPECT_EQ(reply["choices"][i]["text"], "yes");
    }
  }
}

TEST(Completions, SeveralOfOnePromptAreOrderedAndCounted) {
  ToyService service("yes");
  service.Start();
  json body = Completion("");
  body.update({{"prompt", {"a>", "b>"}}, {"n", 3}});
  const json reply = service.Post("/v1/completions", body).Json();
  ASSERT_EQ(reply["choices"].size(), 6u);
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(reply["choices"][i]["index"], i);
  EXPECT_EQ(reply["usage"]["prompt_tokens"], 4);
}

TEST(Completions, SameSeedSameText) {
  ToyService service;
  service.Start();
  json body = {{"prompt", "a"}, {"max_tokens", 20}, {"temperature", 5}, {"seed", 7}};
  const json first = service.Post("/v1/completions", body).Json(),
             second = service.Post("/v1/completions", body).Json();
  EXPECT_EQ(first["choices"], second["choices"]);
  body["seed"] = 8;
  EXPECT_NE(first["choices"], service.Post("/v1/completions", body).Json()["choices"]);
}

TEST(Completions, EndAtStopStringsWhichAreNotReturned) {
  ToyService service("one two three");
  service.Start();
  json body = Completion("a>");
  std::vector<std::string> stops(20, "never");
  stops.push_back(" thr");
  body.update({{"stop", stops}, {"logprobs", 0}});
  const json choice = service.Post("/v1/completions", body).Json()["choices"][0];
  EXPECT_EQ(choice["text"], "one two");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["logprobs"]["tokens"].size(), 7u);
}

TEST(Completions, ScoreAPromptAsTheDecoderDoes) {
  ToyService service;
  service.Start();
  const std::string text = "A line>and more";
  const json body = {{"prompt", text}, {"max_tokens", 1}, {"temperature", 0}, {"logprobs", 1}, {"echo", true}};
  const json choice = service.Post("/v1/completions", body).Json()["choices"][0];
  const json& scores = choice["logprobs"];
  ASSERT_EQ(scores["tokens"].size(), text.size() + 1);  // and exactly one that was generated
  ASSERT_EQ(scores["token_logprobs"].size(), text.size() + 1);
  ASSERT_EQ(scores["top_logprobs"].size(), text.size() + 1);
  EXPECT_TRUE(scores["token_logprobs"][0].is_null());
  EXPECT_TRUE(scores["top_logprobs"][0].is_null());
  ThreadPool pool(1);
  const std::vector<TokenId> tokens = ChatTokenizer().Encode(text);
  const TokenScores expected = ScoreTokens(*service.decoder, tokens, {}, pool);
  for (size_t i = 1; i < tokens.size(); ++i) {
    EXPECT_EQ(scores["token_logprobs"][i].get<float>(), expected.log_probs[i]) << i;
    double best = -1e9;
    for (const auto& [name, value] : scores["top_logprobs"][i].items()) best = std::max(best, value.get<double>());
    EXPECT_EQ(scores["token_logprobs"][i].get<double>() == best, expected.is_greedy[i]) << i;
  }
}

TEST(Completions, AScoredPromptGetsOneEntryAlsoAtTheEndOfTheText) {
  ToyService service("");  // the end of the text at once
  service.Start();
  json body = {{"prompt", {{'a', '>'}}}, {"max_tokens", 1}, {"temperature", 0}, {"logprobs", 1}, {"echo", true}};
  const json scores = service.Post("/v1/completions", body).Json()["choices"][0]["logprobs"];
  ASSERT_EQ(scores["tokens"].size(), 3u);
  EXPECT_EQ(scores["tokens"][2], "</s>");
  body["max_tokens"] = 0;
  EXPECT_EQ(service.Post("/v1/completions", body).Json()["choices"][0]["logprobs"]["tokens"].size(), 2u);
}

TEST(Completions, OffsetsCountCodePoints) {
  ToyService service("\xC3\xA9t\xC3\xA9");
  service.Start();
  json body = Completion("\xE2\x82\xAC>");
  body.update({{"logprobs", 20}, {"echo", true}});
  const json choice = service.Post("/v1/completions", body).Json()["choices"][0];
  EXPECT_EQ(choice["text"], "\xE2\x82\xAC>\xC3\xA9t\xC3\xA9");
  const json expected = {0, 0, 0, 1, 2, 2, 3, 4, 4};
  EXPECT_EQ(choice["logprobs"]["text_offset"], expected);
  EXPECT_EQ(choice["logprobs"]["tokens"][0], "bytes:\\xe2");
  EXPECT_GE(choice["logprobs"]["top_logprobs"][4].size(), 20u);
}

TEST(Completions, StreamTheSameTextInWholeCharacters) {
  ToyService service("\xE2\x82\xAC 5, \xC3\xA9t\xC3\xA9");
  service.Start();
  json body = Completion("a>");
  body.update({{"stream", true}, {"stream_options", {{"include_usage", true}}}, {"echo", true}});
  HttpClient client(service.server->port());
  ClientReply reply = client.Post("/v1/completions", body);
  EXPECT_EQ(reply.headers["content-type"], "text/event-stream; charset=utf-8");
  const auto events = ParseEvents(reply.body);
  ASSERT_GT(events.size(), 3u);
  EXPECT_EQ(events.back().second, "[DONE]");
  std::string text;
  for (size_t i = 0; i + 2 < events.size(); ++i) {
    EXPECT_EQ(events[i].first, "");
    EXPECT_TRUE(IsValidUtf8(events[i].second));
    const json event = json::parse(events[i].second);
    EXPECT_TRUE(event["usage"].is_null());
    text += event["choices"][0]["text"];
  }
  EXPECT_EQ(text, "a>\xE2\x82\xAC 5, \xC3\xA9t\xC3\xA9");
  const json usage = json::parse(events[events.size() - 2].second);
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["prompt_tokens"], 2);
  EXPECT_EQ(client.Call("GET", "/health").status, 200);  // the connection goes on
}

TEST(Completions, AcceptUnknownFieldsAndNameBadOnes) {
  ToyService service;
  service.Start();
  json good = Completion("a>");
  good.update({{"user", "me"}, {"brand_new", {1, 2}}, {"stop", json::array()}, {"logprobs", nullptr}});
  EXPECT_EQ(service.Post("/v1/completions", good).status, 200);
  const std::vector<std::pair<std::string, json>> bad = {
      {"n", -1},
      {"n", 0},
      {"n", 2147483648},
      {"n", 1e308},
      {"n", 1.5},
      {"n", "two"},
      {"max_tokens", -1},
      {"max_tokens", 0},
      {"max_tokens", 1e308},
      {"logprobs", -1},
      {"logprobs", 101},
      {"logprobs", 1e19},
      {"temperature", -1},
      {"temperature", "x"},
      {"top_p", 2},
      {"stop", 5},
      {"stop", {1}},
      {"echo", "yes"},
      {"stream", 1},
      {"seed", 1e300},
      {"suffix", "tail"},
      {"best_of", 3},
      {"prompt", nullptr},
      {"prompt", json::array()},
      {"prompt", {1000000}},
      {"prompt", {-1}},
      {"prompt", {259}},
      {"prompt", {{1.5}}},
      {"prompt", {{"a"}}},
      {"prompt", true},
      {"presence_penalty", 1},
      {"logit_bias", {{"5", 1}}},
      {"top_k", -2},
      {"stream_options", {{"include_usage", true}}},
  };
  for (const auto& [field, value] : bad) {
    json body = Completion("a>");
    body[field] = value;
    const ClientReply reply = service.Post("/v1/completions", body);
    EXPECT_EQ(reply.status, 400) << field << " " << value;
    EXPECT_EQ(ErrorParam(reply), field) << value << " " << reply.body;
    EXPECT_EQ(reply.Json()["error"]["type"], "invalid_request_error");
  }
}

TEST(Completions, RefusePromptsLongerThanTheContextAndOtherModels) {
  ToyService service("yes", 20);
  service.Start();
  const ClientReply reply = service.Post("/v1/completions", Completion(std::string(20, 'a')));
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(ErrorParam(reply), "prompt");
  EXPECT_THAT(reply.body, HasSubstr("20 tokens"));
  json body = Completion("a>");
  body["model"] = "../etc";
  EXPECT_EQ(service.Post("/v1/completions", body).status, 404);
  body["model"] = "toy";
  EXPECT_EQ(service.Post("/v1/completions", body).status, 200);
}

json Chat() { return {{"messages", {{{"role", "user"}, {"content", "Who?"}}}}, {"temperature", 0}}; }

TEST(Chat, Answers) {
  ToyService service;
  service.Start();
  json body = Chat();
  body.update({{"logprobs", true}, {"top_logprobs", 2}, {"n", 2}});
  const json reply = service.Post("/v1/chat/completions", body).Json();
  EXPECT_EQ(reply["object"], "chat.completion");
  ASSERT_EQ(reply["choices"].size(), 2u);
  const json& choice = reply["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], "Elsa Norling");
  EXPECT_EQ(choice["finish_reason"], "stop");
  const json& entry = choice["logprobs"]["content"][0];
  EXPECT_EQ(entry["token"], "E");
  EXPECT_EQ(entry["bytes"], json({'E'}));
  EXPECT_EQ(entry["top_logprobs"].size(), 2u);
  EXPECT_EQ(entry["top_logprobs"][0]["logprob"], entry["logprob"]);
}

TEST(Chat, TakesContentInParts) {
  ToyService service;
  service.Start();
  json body = Chat();
  body["messages"][0]["content"] = {{{"type", "text"}, {"text", "Who?"}}};
  EXPECT_EQ(service.Post("/v1/chat/completions", body).status, 200);
  body["messages"][0]["content"] = {{{"type", "image_url"}, {"text", "x"}}};
  EXPECT_EQ(service.Post("/v1/chat/completions", body).status, 400);
}

TEST(Chat, StreamsDeltas) {
  ToyService service;
  service.Start();
  json body = Chat();
  body["stream"] = true;
  const auto events = ParseEvents(service.Post("/v1/chat/completions", body).body);
  std::string text;
  json last;
  for (const auto& [name, data] : events) {
    if (data == "[DONE]") break;
    last = json::parse(data);
    EXPECT_EQ(last["object"], "chat.completion.chunk");
    EXPECT_FALSE(last.contains("usage"));
    text += last["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, "Elsa Norling");
  EXPECT_EQ(last["choices"][0]["finish_reason"], "stop");
}

TEST(Chat, NamesWhatIsWrongWithMessages) {
  ToyService service;
  service.Start();
  for (const json& messages : std::vector<json>{nullptr, json::array(), "hi", {{{"role", "tool"}, {"content", "x"}}}}) {
    const ClientReply reply = service.Post("/v1/chat/completions", {{"messages", messages}});
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(ErrorParam(reply), "messages");
  }
  const ClientReply reply = service.Post("/v1/chat/completions", {{"messages", {{{"role", "user"}, {"content", 5}}}}});
  EXPECT_EQ(ErrorParam(reply), "messages[0].content");
}

TEST(Chat, WithoutATemplateIsNotThereAndTheRestIs) {
  ToyService service;
  service.has_chat = false;
  service.Start();
  const ClientReply reply = service.Post("/v1/chat/completions", Chat());
  EXPECT_EQ(reply.status, 404);
  EXPECT_THAT(reply.body, HasSubstr("no chat template that can be used: use /v1/completions"));
  EXPECT_EQ(service.Post("/v1/answer", {{"question", "Who?"}}).status, 404);
  EXPECT_EQ(service.Post("/v1/completions", Completion("a>")).status, 200);
}

TEST(Chat, CitesPassagesInOpenAisForm) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  json body = Chat();
  body["messages"][0]["content"] = "Who designed the Amber Bridge?";
  body["retrieval"] = {{"mode", "prompt"}, {"k", 1}};
  const json message = service.Post("/v1/chat/completions", body).Json()["choices"][0]["message"];
  EXPECT_EQ(message["content"], "Elsa Norling [1]");
  ASSERT_EQ(message["annotations"].size(), 1u) << message;
  const json& citation = message["annotations"][0]["url_citation"];
  EXPECT_EQ(citation["start_index"], 0);
  EXPECT_EQ(citation["end_index"], 12);
  EXPECT_EQ(citation["title"], "Amber Bridge");
  EXPECT_EQ(message["retrieval"]["passages"][0]["document_id"], "bridge");
}

TEST(Models, AreListedWithTheirContextAndRetrieval) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  const json list = service.Call("GET", "/v1/models").Json();
  EXPECT_EQ(list["data"][0]["id"], "toy");
  EXPECT_EQ(list["data"][0]["max_model_len"], 4000);
  EXPECT_EQ(list["data"][0]["retrieval"]["documents"], 3);
  EXPECT_EQ(service.Call("GET", "/v1/models/toy").Json(), list["data"][0]);
  EXPECT_EQ(service.Call("GET", "/v1/models/other").status, 404);
}

TEST(Embeddings, ComeAsNumbersAndAsBase64) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  const json numbers = service.Post("/v1/embeddings", {{"input", {"one", "two"}}}).Json();
  ASSERT_EQ(numbers["data"].size(), 2u);
  EXPECT_EQ(numbers["data"][1]["embedding"].get<std::vector<float>>(), EmbedText(*service.embedder, "two"));
  EXPECT_EQ(numbers["usage"]["prompt_tokens"], 6);
  const json text = service.Post("/v1/embeddings", {{"input", "two"}, {"encoding_format", "base64"}}).Json();
  const std::string encoded = text["data"][0]["embedding"];
  EXPECT_EQ(encoded.size(), (32u * 4 + 2) / 3 * 4);
}

TEST(Embeddings, RefuseTokenIdsAndSayWhatToDo) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  for (const json& input : std::vector<json>{{1, 2}, {{1, 2}}, json::array(), nullptr, 5}) {
    const ClientReply reply = service.Post("/v1/embeddings", {{"input", input}});
    EXPECT_EQ(reply.status, 400) << input;
    EXPECT_EQ(ErrorParam(reply), "input");
  }
  EXPECT_THAT(service.Post("/v1/embeddings", {{"input", {1}}}).body, HasSubstr("check_embedding_ctx_length"));
}

TEST(Tokens, GoThereAndBack) {
  ToyService service;
  service.Start();
  const json tokens = service.Post("/tokenize", {{"prompt", "abc"}, {"add_special_tokens", false}}).Json();
  EXPECT_EQ(tokens["tokens"], json({'a', 'b', 'c'}));
  EXPECT_EQ(tokens["count"], 3);
  EXPECT_EQ(service.Post("/detokenize", {{"tokens", tokens["tokens"]}}).Json()["prompt"], "abc");
  EXPECT_EQ(service.Post("/detokenize", {{"tokens", {5000}}}).status, 400);
  const json info = service.Call("GET", "/tokenizer_info").Json();
  EXPECT_EQ(info["eos_token"], "</s>");
  EXPECT_EQ(info["chat_template"], ToyService::kChatMl);
}

TEST(Operations, TellOfThemselves) {
  ToyService service;
  service.Start();
  service.Post("/v1/completions", Completion("a>"));
  const ClientReply metrics = service.Call("GET", "/metrics");
  EXPECT_THAT(metrics.body, HasSubstr("retro_generation_tokens_total 12"));
  EXPECT_THAT(metrics.body, HasSubstr("retro_request_success_total{finished_reason=\"stop\"} 1"));
  const json api = service.Call("GET", "/openapi.json").Json();
  EXPECT_EQ(api["openapi"], "3.1.0");
  EXPECT_TRUE(api["paths"].contains("/v1/answer"));
  EXPECT_TRUE(service.Call("GET", "/version").Json().contains("commit"));
}

}  // namespace
}  // namespace retro
