// /v1/documents: what is acknowledged is there for the next request, and those at work keep what they began with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/file.h"
#include "core/progress.h"
#include "index-builder/index_builder.h"
#include "index-builder/live_database_editor.h"
#include "tests/service-http/toy_service.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/packed_file.h"

namespace retro {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

struct WritableService : ToyService {
  explicit WritableService(std::chrono::milliseconds poll = std::chrono::milliseconds(0)) {
    Progress::SetEnabled(false);
    const json bridge = {{"id", "bridge"},
                         {"title", "Amber Bridge"},
                         {"text", "The Amber Bridge was designed by Elsa Norling in 1931."},
                         {"source", "books"},
                         {"date", "1999-12-31"}};
    const json metal = {{"id", "metal/tin"}, {"text", "Copper melts at 1085 degrees Celsius."}, {"source", "tables"}};
    WriteText(folder / "documents.jsonl", bridge.dump() + "\n" + metal.dump() + "\n");
    embedder = MakeHashingEmbedder();
    ThreadPool pool(1);
    BuildIndex({folder / "documents.jsonl"}, *tokenizer, *embedder, db(), {.chunk_len = 64}, pool);
    live = std::make_shared<LiveDatabase>(std::make_shared<RetrievalDatabase>(db(), embedder, tokenizer), poll);
    editor = std::make_shared<LiveDatabaseEditor>(live, tokenizer, embedder, UpdateOptions{}, 1);
  }

  std::filesystem::path db() const { return folder / "db"; }

  ClientReply Add(const json& document) { return Post("/v1/documents", {{"documents", json::array({document})}}); }
  json Retrieve(const json& filters) {
    return Post("/v1/retrieve", {{"query", "Amber Bridge"}, {"k", 100}, {"filters", filters}}).Json()["results"];
  }
  std::set<std::string> Ids() {
    std::set<std::string> ids;
    for (const json& passage : Retrieve(json::object())) ids.insert(passage["document_id"]);
    return ids;
  }
  json RetrievalInfo() { return Call("GET", "/v1/models").Json()["data"][0]["retrieval"]; }

  std::shared_ptr<const Tokenizer> tokenizer = std::make_shared<ByteTokenizer>();
};

TEST(Documents, AreNotChangedUnlessTheServerMay) {
  ToyService service;
  service.AddDatabase();
  service.Start();
  EXPECT_EQ(service.Post("/v1/documents", {{"documents", json::array()}}).status, 403);
  EXPECT_EQ(service.Call("DELETE", "/v1/documents/bridge").status, 403);
  EXPECT_EQ(service.Call("DELETE", "/v1/documents?source=books").status, 403);
  EXPECT_EQ(service.Call("GET", "/v1/models").Json()["data"][0]["retrieval"]["writable"], false);
}

TEST(Documents, AnAnswerChangesWithoutARestart) {
  WritableService service;
  service.Start();
  json body = {{"question", "How high is the Cobalt Tower"}, {"retrieval", {{"threshold", 0.8}}}};
  EXPECT_EQ(service.Post("/v1/answer", body).Json()["found"], false);
  const json tower = {{"id", "tower"}, {"title", "Tower"}, {"text", "How high is the Cobalt Tower? 88"}};
  EXPECT_EQ(service.Add(tower).Json(), (json{{"added", 1}, {"replaced", 0}, {"generation", 1}}));
  const json answer = service.Post("/v1/answer", body).Json();
  EXPECT_EQ(answer["found"], true) << answer;
  EXPECT_EQ(answer["sources"][0]["document_id"], "tower");
  EXPECT_EQ(service.Call("DELETE", "/v1/documents/tower").Json(), (json{{"removed", 1}, {"generation", 2}}));
  EXPECT_EQ(service.Post("/v1/answer", body).Json()["found"], false);
}

TEST(Documents, AreReplacedById) {
  WritableService service;
  service.Start();
  const json changed = {
      {"id", "bridge"}, {"text", "The Amber Bridge was pulled down."}, {"licence", "CC0"}, {"date", "2024-05-17"}};
  const json reply =
      service.Post("/v1/documents", {{"documents", {changed, {{"id", "new"}, {"text", "A text"}}}}}).Json();
  EXPECT_EQ(reply, (json{{"added", 1}, {"replaced", 1}, {"generation", 1}}));
  const json found = service.Retrieve({{"document_id", "bridge"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]["text"], changed["text"]);
  EXPECT_EQ(found[0]["licence"], "CC0");
  EXPECT_EQ(found[0]["date"], "2024-05-17");
  const json info = service.RetrievalInfo();
  EXPECT_EQ(info["documents"], 3);
  EXPECT_EQ(info["generation"], 1);
  EXPECT_EQ(info["writable"], true);
}

TEST(Documents, AreRemovedByIdAndBySource) {
  WritableService service;
  service.Start();
  EXPECT_EQ(service.Call("DELETE", "/v1/documents/metal%2Ftin").Json()["removed"], 1);
  EXPECT_EQ(service.Ids(), std::set<std::string>{"bridge"});
  service.Add({{"id", "a"}, {"text", "one"}, {"source", "web pages"}});
  service.Add({{"id", "b"}, {"text", "two"}, {"source", "web pages"}});
  EXPECT_EQ(service.Call("DELETE", "/v1/documents?source=web%20pages&id=bridge").Json()["removed"], 3);
  EXPECT_TRUE(service.Ids().empty());
  EXPECT_EQ(service.Call("DELETE", "/v1/documents/bridge").status, 404);
  EXPECT_EQ(service.RetrievalInfo()["documents"], 0);
}

TEST(Documents, FiltersKnowIdsSourcesLicencesAndDates) {
  WritableService service;
  service.Start();
  service.Add({{"id", "later"}, {"text", "Amber again"}, {"date", "2024-05-17"}, {"licence", "CC0"}});
  const auto ids = [&](const json& filters) {
    std::vector<std::string> found;
    for (const json& passage : service.Retrieve(filters)) found.push_back(passage["document_id"]);
    std::ranges::sort(found);
    return found;
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(ids({{"document_id", {"later", "metal/tin", "nothing"}}}), (Ids{"later", "metal/tin"}));
  EXPECT_EQ(ids({{"source", "tables"}}), Ids{"metal/tin"});
  EXPECT_EQ(ids({{"licence", "CC0"}}), Ids{"later"});
  EXPECT_EQ(ids({{"date_from", "1999"}}), (Ids{"bridge", "later"}));
  EXPECT_EQ(ids({{"date_to", "2024-04"}}), Ids{"bridge"});
  EXPECT_EQ(ids({{"date_from", "2024-05-17"}, {"date_to", "2024-05"}}), Ids{"later"});
  const ClientReply refused = service.Post("/v1/retrieve", {{"query", "a"}, {"filters", {{"date_from", "yesterday"}}}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.Json()["error"]["param"], "filters.date_from");
  json question = kQuestion;
  question["retrieval"] = {{"filters", {{"licence", "CC0"}}}};
  const json answer = service.Post("/v1/answer", question).Json();
  ASSERT_EQ(answer["sources"].size(), 1u);
  EXPECT_EQ(answer["sources"][0]["document_id"], "later");
}

TEST(Documents, RefuseWhatCannotBeAndChangeNothing) {
  WritableService service;
  service.options.limits.documents_per_request = 2;
  service.Start();
  const json good = {{"id", "good"}, {"text", "A text"}};
  const auto refused = [&](const json& documents) {
    const ClientReply reply = service.Post("/v1/documents", {{"documents", documents}});
    const json param = reply.Json()["error"]["param"];
    return std::pair(reply.status, param.is_null() ? "" : param.get<std::string>());
  };
  const auto one_refused = [&](const json& document) { return refused(json::array({document})); };
  using Refusal = std::pair<int, std::string>;
  EXPECT_EQ(refused(json::array()), Refusal(400, "documents"));
  EXPECT_EQ(refused("text"), Refusal(400, "documents"));
  EXPECT_EQ(refused(json::array({good, "text"})), Refusal(400, "documents[1]"));
  EXPECT_EQ(refused(json::array({good, {{"text", "no id"}}})), Refusal(400, "documents[1].id"));
  EXPECT_EQ(one_refused({{"id", ""}, {"text", "a"}}), Refusal(400, "documents[0].id"));
  EXPECT_EQ(one_refused({{"id", std::string(5000, 'x')}, {"text", "a"}}), Refusal(400, "documents[0].id"));
  EXPECT_EQ(one_refused({{"id", "blank"}, {"text", " \n"}}), Refusal(400, "documents[0].text"));
  EXPECT_EQ(one_refused({{"id", "a"}, {"text", "a"}, {"url", 7}}), Refusal(400, "documents[0].url"));
  EXPECT_EQ(refused(json::array({good, good})), Refusal(400, "documents[1].id"));
  EXPECT_EQ(refused(json::array({good, good, good})).first, 413);
  EXPECT_EQ(service.Call("DELETE", "/v1/documents").status, 400);
  EXPECT_EQ(service.Call("DELETE", "/v1/documents/nothing").status, 404);
  EXPECT_EQ(service.RetrievalInfo()["generation"], 0);
}

TEST(Documents, AreNotChangedWhileAnotherProgramDoes) {
  WritableService service;
  service.Start();
  {
    const FileLock other(service.db() / "lock");
    const ClientReply reply = service.Add({{"id", "a"}, {"text", "one"}});
    EXPECT_EQ(reply.status, 503);
    EXPECT_TRUE(reply.headers.contains("retry-after"));
    EXPECT_THAT(reply.body, HasSubstr("another program"));
    EXPECT_EQ(reply.body.find(service.folder.path().string()), std::string::npos) << "a path of the server's";
  }
  EXPECT_EQ(service.Add({{"id", "a"}, {"text", "one"}}).status, 200);
}

TEST(Documents, AFullDiskLeavesThemAsTheyWere) {
  WritableService service;
  service.Start();
  {
    const FileSizeLimit full(100);
    EXPECT_EQ(service.Add({{"id", "bridge"}, {"text", std::string(2000, 'x')}}).status, 507);
    EXPECT_EQ(service.Call("DELETE", "/v1/documents/bridge").status, 507);
  }
  EXPECT_EQ(service.Ids(), (std::set<std::string>{"bridge", "metal/tin"}));
  EXPECT_EQ(service.Add({{"id", "a"}, {"text", "one"}}).Json()["generation"], 1);
}

TEST(Documents, OnlySoManyChangesMayWait) {
  WritableService service;
  service.options.limits.edits = 0;
  service.Start();
  const ClientReply reply = service.Add({{"id", "a"}, {"text", "one"}});
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(reply.headers.contains("retry-after"));
}

TEST(Documents, ARequestAtWorkKeepsTheDocumentsThatItBeganWith) {
  WritableService service;
  service.Start();
  service.decoder->Hold();
  HttpClient client(service.server->port());
  json body = kQuestion;
  body["stream"] = true;
  client.SendRequest("POST", "/v1/answer", body.dump());
  service.decoder->AwaitHeldPass();
  EXPECT_EQ(service.Call("DELETE", "/v1/documents/bridge").status, 200);
  service.Add({{"id", "new"}, {"text", "The Amber Bridge was designed by Kurt Holm."}});
  EXPECT_EQ(service.Ids(), (std::set<std::string>{"metal/tin", "new"}));
  service.decoder->Release();
  const auto events = ParseEvents(client.Read().body);
  const json answer = json::parse(events.back().second);
  EXPECT_EQ(answer["text"], "Elsa Norling [1]");
  EXPECT_EQ(answer["sources"][0]["document_id"], "bridge");
  EXPECT_EQ(service.Post("/v1/answer", kQuestion).Json()["sources"][0]["document_id"], "new");
}

TEST(Documents, ChangesOfAnotherProgramAreSeen) {
  WritableService service(std::chrono::milliseconds(1));
  service.Start();
  ThreadPool pool(1);
  const std::vector<Document> documents = {
      {.id = "other", .title = "", .text = "By another hand", .source = "", .url = "", .licence = "", .date = ""}};
  AddDocuments(service.db(), documents, *service.tokenizer, *service.embedder, {}, pool);
  while (service.RetrievalInfo()["generation"] != 1) std::this_thread::yield();
  EXPECT_TRUE(service.Ids().contains("other"));
}

TEST(Documents, ManyChangeAndAskAtOnce) {
  WritableService service;
  service.Start();
  constexpr int kEditors = 3, kEach = 3;
  std::atomic<int> editing{kEditors};
  std::vector<std::thread> threads;
  for (int editor = 0; editor < kEditors; ++editor) {
    threads.emplace_back([&service, &editing, editor] {
      for (int i = 0; i < kEach; ++i) {
        const std::string id = std::to_string(editor) + "-" + std::to_string(i);
        EXPECT_EQ(service.Add({{"id", id}, {"text", "The Amber Bridge, again " + id}}).status, 200);
        EXPECT_EQ(service.Retrieve({{"document_id", id}}).size(), 1u) << "acknowledged, so there";
      }
      --editing;
    });
  }
  threads.emplace_back([&service, &editing] {
    while (editing > 0) {
      const json answer = service.Post("/v1/answer", kQuestion).Json();
      EXPECT_GE(answer["sources"].size(), 2u) << answer;
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(service.Ids().size(), 2u + kEditors * kEach);
  EXPECT_EQ(service.RetrievalInfo()["documents"], 2 + kEditors * kEach);
}

}  // namespace
}  // namespace retro
