// The routes of our own: retrieval, answers, feedback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "tests/service-http/toy_service.h"

namespace retro {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Retrieve, GivesPassagesWithTheirDocuments) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  const json results = service.Post("/v1/retrieve", {{"query", "Amber Bridge"}, {"k", 2}}).Json()["results"];
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0]["document_id"], "bridge");
  EXPECT_EQ(results[0]["chunk_id"], "0");
  EXPECT_TRUE(results[0]["url"].is_null());
  EXPECT_GT(results[0]["score"], results[1]["score"]);
}

TEST(Retrieve, KeepsToTheFilters) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  const json body = {{"query", "Amber Bridge"}, {"k", 5}, {"filters", {{"document_id", "metal"}}}};
  const json results = service.Post("/v1/retrieve", body).Json()["results"];
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0]["document_id"], "metal");
}

TEST(Retrieve, RefusesWhatCannotBe) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  for (const json& k : std::vector<json>{0, -1, 101, 2147483648, 1e308, "1"}) {
    EXPECT_EQ(service.Post("/v1/retrieve", {{"query", "a"}, {"k", k}}).status, 400) << k;
  }
  EXPECT_EQ(service.Post("/v1/retrieve", {{"query", " "}}).status, 400);
  EXPECT_EQ(service.Post("/v1/retrieve", {{"query", "a"}, {"lexical", "words"}}).status, 400);
  for (const char* date : {"", "May 2024", "2024-13"}) {
    EXPECT_EQ(service.Post("/v1/retrieve", {{"query", "a"}, {"filters", {{"date_to", date}}}}).status, 400) << date;
  }
  const ClientReply unindexed = service.Post("/v1/retrieve", {{"query", "a"}, {"lexical", "fuse"}});
  EXPECT_EQ(unindexed.status, 400);
  EXPECT_THAT(unindexed.body, HasSubstr("the database has no lexical index"));
  EXPECT_THAT(unindexed.body, Not(HasSubstr(service.folder.path().string())));
  ToyService without;
  without.Start();
  EXPECT_EQ(without.Post("/v1/retrieve", {{"query", "a"}}).status, 400);
}

TEST(DocumentChunks, AreThoseAroundAChunkInItsDocument) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  const json reply = service.Call("GET", "/v1/documents/long%2Fone/chunks?around=4&n=1").Json();
  EXPECT_EQ(reply["title"], "Long");
  ASSERT_EQ(reply["chunks"].size(), 3u) << reply;
  EXPECT_EQ(reply["chunks"][0]["position"], 64);
  EXPECT_FALSE(reply["chunks"][0].contains("score"));
  EXPECT_EQ(service.Call("GET", "/v1/documents/metal/chunks?around=4").status, 404);
  EXPECT_EQ(service.Call("GET", "/v1/documents/metal/chunks?around=99").status, 404);
  EXPECT_EQ(service.Call("GET", "/v1/documents/metal/chunks?around=x").status, 400);
}

TEST(Answer, NamesItsSources) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  const json answer = service.Post("/v1/answer", kQuestion).Json();
  EXPECT_EQ(answer["text"], "Elsa Norling [1]");
  EXPECT_EQ(answer["plain_text"], "Elsa Norling");
  EXPECT_EQ(answer["found"], true);
  EXPECT_EQ(answer["citations"], json::array({{{"begin", 0}, {"end", 12}, {"sources", {1}}}}));
  const json& source = answer["sources"][0];
  EXPECT_EQ(source["document_id"], "bridge");
  EXPECT_EQ(source["cited"], true);
  EXPECT_EQ(source["highlight"]["begin"], 0);
  EXPECT_EQ(answer["retrieval"]["mode"], "prompt");
  EXPECT_EQ(answer["usage"]["completion_tokens"], 12);
}

TEST(Answer, StreamsSourcesThenTextThenTheWhole) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  json body = kQuestion;
  body["stream"] = true;
  const auto events = ParseEvents(service.Post("/v1/answer", body).body);
  ASSERT_GT(events.size(), 3u);
  EXPECT_EQ(events.front().first, "sources");
  EXPECT_EQ(json::parse(events.front().second)["sources"][0]["cited"], false);
  EXPECT_EQ(events.back().first, "answer");
  std::string text;
  for (size_t i = 1; i + 1 < events.size(); ++i) {
    EXPECT_EQ(events[i].first, "token");
    text += json::parse(events[i].second)["text"];
  }
  EXPECT_EQ(text, json::parse(events.back().second)["text"]);
  EXPECT_EQ(text, "Elsa Norling [1]");
}

TEST(Answer, SaysWhenTheDatabaseHoldsNone) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  for (const bool stream : {false, true}) {
    json body = kQuestion;
    body.update({{"stream", stream}, {"retrieval", {{"threshold", 1}}}});
    const ClientReply reply = service.Post("/v1/answer", body);
    const json answer = stream ? json::parse(ParseEvents(reply.body).back().second) : reply.Json();
    EXPECT_EQ(answer["found"], false);
    EXPECT_THAT(answer["text"].get<std::string>(), HasSubstr("holds no answer"));
    EXPECT_EQ(answer["sources"][0]["cited"], false);
    EXPECT_FALSE(answer["sources"][0]["sentence"].get<std::string>().empty());
  }
}

TEST(Answer, WithoutRetrievalComesFromTheModelAlone) {
  ToyService service;
  service.Start();
  const json answer = service.Post("/v1/answer", kQuestion).Json();
  EXPECT_EQ(answer["text"], "Elsa Norling");
  EXPECT_TRUE(answer["sources"].empty());
}

TEST(Answer, RefusesWhatTheModelCannotDo) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  json body = kQuestion;
  body["retrieval"] = {{"mode", "cca"}};
  const ClientReply reply = service.Post("/v1/answer", body);
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.Json()["error"]["param"], "retrieval.mode");
  EXPECT_EQ(service.Post("/v1/answer", {{"question", " "}}).status, 400);
  EXPECT_EQ(service.Post("/v1/answer", json::object()).status, 400);
}

TEST(Feedback, IsKeptLineByLine) {
  ToyService service;
  service.Start();
  EXPECT_EQ(service.Post("/v1/feedback", {{"answer_id", "ans-1"}, {"vote", "up"}}).Json()["ok"], true);
  EXPECT_EQ(
      service.Post("/v1/feedback", {{"answer_id", "ans-2"}, {"vote", "down"}, {"comment", "a\nb"}, {"passage", "7"}})
          .status,
      200);
  EXPECT_EQ(service.Post("/v1/feedback", {{"answer_id", "ans-1"}, {"vote", "maybe"}}).status, 400);
  const std::string lines = ReadFile(service.folder / "feedback.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  const json second = json::parse(lines.substr(lines.find('\n') + 1));
  EXPECT_EQ(second["comment"], "a\nb");
  EXPECT_EQ(second["passage"], "7");
}

}  // namespace
}  // namespace retro
