// The transport: limits, refusals, keys, the end of clients and of the server.
#include "service/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/service-http/toy_service.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

using ::testing::HasSubstr;

const nlohmann::json kCompletion = {{"prompt", "Who?>"}, {"max_tokens", 5}, {"temperature", 0}};

TEST(HttpServer, AnswersSeveralRequestsOnOneConnection) {
  ToyService service;
  HttpClient client(service.Start().port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.Call("GET", "/health").status, 200);
  client.Send("GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /live HTTP/1.1\r\nHost: a\r\n\r\n");  // pipelined
  EXPECT_EQ(client.Read().status, 200);
  EXPECT_EQ(client.Read().status, 200);
}

TEST(HttpServer, SaysWhatIsNotThereAndWhichMethodIs) {
  ToyService service;
  service.Start();
  EXPECT_EQ(service.Call("GET", "/nothing").status, 404);
  EXPECT_EQ(service.Call("GET", "/../../etc/passwd").status, 404);
  EXPECT_EQ(service.Call("GET", "/%2e%2e/%2e%2e/etc/passwd").status, 404);
  ClientReply reply = service.Call("GET", "/v1/completions");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.headers["allow"], "POST");
  EXPECT_EQ(service.Call("POST", "/health", "{}").headers["allow"], "GET, HEAD");
  EXPECT_THAT(reply.Json()["error"]["message"].get<std::string>(), HasSubstr("POST"));
}

TEST(HttpServer, RefusesWhatIsNoHttp) {
  ToyService service;
  HttpClient client(service.Start().port());
  client.Send("\x16\x03\x01 hello\r\n\r\n");
  EXPECT_EQ(client.Read().status, 400);
  EXPECT_TRUE(client.AtEnd());
}

// A proxy in front may see the end of such a body somewhere else: what follows must not be taken for a request.
TEST(HttpServer, RefusesABodyWhoseEndIsNotCertain) {
  ToyService service;
  service.Start();
  const std::string request = "POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
  const std::string body = "\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const char* framing :
       {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n"}) {
    HttpClient client(service.server->port());
    client.Send(request + framing + body);
    EXPECT_EQ(client.Read().status, 400) << framing;
    EXPECT_TRUE(client.AtEnd()) << framing;
  }
  HttpClient old(service.server->port());
  old.Send("POST /tokenize HTTP/1.0\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" + body);
  EXPECT_EQ(old.Read().status, 400);
  EXPECT_TRUE(old.AtEnd());
}

TEST(HttpServer, RefusesBodiesThatAreNoJson) {
  ToyService service;
  service.Start();
  HttpClient client(service.server->port());
  EXPECT_EQ(client.Call("POST", "/tokenize", "{}", "Content-Type: text/plain\r\n").status, 415);
  EXPECT_EQ(service.Call("POST", "/tokenize", "{\"prompt\":").status, 400);
  EXPECT_EQ(service.Call("POST", "/tokenize", "[]").status, 400);
  EXPECT_EQ(service.Call("POST", "/tokenize", "{\"prompt\":\"\\ud800\"}").status, 400);
  EXPECT_EQ(service.Call("POST", "/tokenize", "{\"prompt\":\"\xFF\"}").status, 400);
}

TEST(HttpServer, BearsJsonThatIsNestedVeryDeep) {
  ToyService service;
  service.Start();
  const std::string deep = "{\"prompt\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  const ClientReply reply = service.Call("POST", "/v1/completions", deep);
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("nested deeper"));
}

TEST(HttpServer, RefusesBodiesAndHeadersThatAreTooLarge) {
  ToyService service;
  service.options.limits.body_bytes = 1000;
  service.Start();
  EXPECT_EQ(service.Call("POST", "/tokenize", std::string(1001, ' ')).status, 413);
  HttpClient client(service.server->port());
  EXPECT_EQ(client.Call("GET", "/health", "", "X: " + std::string(20000, 'x') + "\r\n").status, 431);
  std::string many;
  for (int i = 0; i < 101; ++i) many += "X" + std::to_string(i) + ": y\r\n";
  HttpClient second(service.server->port());
  EXPECT_EQ(second.Call("GET", "/health", "", many).status, 431);
}

TEST(HttpServer, ReadsBodiesInSmallChunksUpToALimit) {
  ToyService service;
  service.options.limits.body_chunks = 20;
  service.Start();
  const auto send = [&](size_t num_spaces) {
    HttpClient client(service.server->port());
    std::string request =
        "POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (size_t i = 0; i < num_spaces; ++i) request += "1\r\n \r\n";
    client.Send(request + "e\r\n{\"prompt\":\"a\"}\r\n0\r\n\r\n");
    return client.Read().status;
  };
  EXPECT_EQ(send(10), 200);
  EXPECT_EQ(send(100), 413);
}

TEST(HttpServer, RefusesLinesOfABodyThatDoNotEnd) {
  ToyService service;
  service.Start();
  const std::string head =
      "POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* begin : {"1;", "0\r\nX: ", "000"}) {
    HttpClient client(service.server->port());
    client.Send(head + begin + std::string(size_t{1} << 20, '0'));
    EXPECT_EQ(client.Read().status, 400) << begin;
  }
}

TEST(HttpServer, SendsAwayWhoIsSlowWithTheHeaderOrTheBody) {
  ToyService service;
  service.options.limits.header = std::chrono::seconds(0);
  service.Start();
  HttpClient client(service.server->port());
  client.Send("GET /health HTTP/1.1\r\nHost:");
  EXPECT_EQ(client.Read().status, 408);
  ToyService other;
  other.options.limits.body = std::chrono::seconds(0);
  HttpClient second(other.Start().port());
  second.Send("POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
  EXPECT_EQ(second.Read().status, 408);
}

TEST(HttpServer, ClosesConnectionsThatSayNothing) {
  ToyService service;
  service.options.limits.idle = std::chrono::seconds(0);
  HttpClient client(service.Start().port());
  EXPECT_TRUE(client.AtEnd());
}

TEST(HttpServer, WithKeysOnlyProbesAndThePageAreOpen) {
  ToyService service;
  service.options.api_keys = {"secret", "other"};
  service.Start();
  for (const char* path : {"/health", "/live", "/ready", "/"}) EXPECT_EQ(service.Call("GET", path).status, 200) << path;
  for (const char* path : {"/metrics", "/v1/models", "/version", "/openapi.json", "/nothing", "/tokenizer_info"}) {
    EXPECT_EQ(service.Call("GET", path).status, 401) << path;
  }
  for (const char* path : {"/v1/completions", "/tokenize", "/v1/documents", "/v1/answer"}) {
    EXPECT_EQ(service.Call("POST", path, "{}").status, 401) << path;
  }
  const auto with = [&](const std::string& authorization) {
    HttpClient client(service.server->port());
    return client.Call("GET", "/v1/models", "", "Authorization: " + authorization + "\r\n").status;
  };
  EXPECT_EQ(with("Bearer secret"), 200);
  EXPECT_EQ(with("bearer other"), 200);
  for (const char* wrong : {"Bearer secre", "Bearer secretx", "Bearer ", "secret", "Basic secret"}) {
    EXPECT_EQ(with(wrong), 401) << wrong;
  }
}

TEST(HttpServer, OtherOriginsMayCallOnlyWhenToldSo) {
  ToyService closed;
  closed.Start();
  HttpClient client(closed.server->port());
  EXPECT_FALSE(
      client.Call("GET", "/version", "", "Origin: https://a.test\r\n").headers.contains("access-control-allow-origin"));
  ToyService open;
  open.options.cors_origins = {"https://a.test"};
  open.Start();
  HttpClient second(open.server->port());
  EXPECT_EQ(second.Call("OPTIONS", "/v1/completions", "", "Origin: https://a.test\r\n").status, 204);
  EXPECT_EQ(second.Call("GET", "/version", "", "Origin: https://a.test\r\n").headers["access-control-allow-origin"],
            "https://a.test");
  EXPECT_FALSE(
      second.Call("GET", "/version", "", "Origin: https://b.test\r\n").headers.contains("access-control-allow-origin"));
}

TEST(HttpServer, WhenFullItSaysWhenToTryAgain) {
  ToyService service;
  service.options.limits.requests = 1;
  service.decoder->Hold();
  HttpClient first(service.Start().port());
  first.SendRequest("POST", "/v1/completions", kCompletion.dump());
  service.decoder->AwaitHeldPass();
  const ClientReply reply = service.Post("/v1/completions", kCompletion);
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(reply.headers.contains("retry-after"));
  EXPECT_EQ(service.Call("GET", "/health").status, 200);
  service.decoder->Release();
  EXPECT_EQ(first.Read().status, 200);
  // The first request's place is given up just after its reply was sent.
  while (service.Post("/v1/completions", kCompletion).status == 503) continue;
}

TEST(HttpServer, OneClientGetsNoMoreThanItsShare) {
  ToyService service;
  service.options.limits.requests_per_client = 1;
  service.decoder->Hold();
  HttpClient first(service.Start().port());
  first.SendRequest("POST", "/v1/completions", kCompletion.dump());
  service.decoder->AwaitHeldPass();
  const ClientReply reply = service.Post("/v1/completions", kCompletion);
  EXPECT_EQ(reply.status, 429);
  EXPECT_TRUE(reply.headers.contains("retry-after"));
  service.decoder->Release();
  EXPECT_EQ(first.Read().status, 200);
}

TEST(HttpServer, TellsWhenTheEnginesQueueIsFull) {
  ToyService service;
  service.limits.max_queued = 1;
  service.limits.max_sequences = 1;
  service.decoder->Hold();
  service.Start();
  const ClientReply reply = service.Post(
      "/v1/completions", {{"prompt", std::vector<std::string>(50, "Who?>")}, {"max_tokens", 5}, {"temperature", 0}});
  EXPECT_EQ(reply.status, 503) << reply.body;
  EXPECT_TRUE(reply.headers.contains("retry-after"));
}

// Waits for what other threads bring about.
template <typename Condition>
void AwaitThat(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

TEST(HttpServer, CancelsWhatAClientNoLongerWaitsFor) {
  for (const bool stream : {false, true}) {
    ToyService service(std::string(3000, 'a'));
    service.decoder->Hold();
    service.Start();
    {
      HttpClient client(service.server->port());
      nlohmann::json body = kCompletion;
      body["max_tokens"] = 3000;
      body["stream"] = stream;
      client.SendRequest("POST", "/v1/completions", body.dump());
      service.decoder->AwaitHeldPass();
    }
    const auto cancelled = [&] {
      return service.Call("GET", "/metrics").body.find("retro_cancelled_total 1") != std::string::npos;
    };
    AwaitThat(cancelled);
    service.decoder->Release();
    AwaitThat([&] { return service.engine->Stats().running == 0; });
    EXPECT_LT(service.decoder->num_passes(), 10u);
  }
}

TEST(HttpServer, EndsRequestsThatTakeTooLong) {
  ToyService service;
  service.options.limits.request = std::chrono::seconds(0);
  service.decoder->Hold();
  service.Start();
  EXPECT_EQ(service.Post("/v1/completions", kCompletion).status, 503);
}

TEST(HttpServer, DrainLetsRequestsEndAndTakesNoOthers) {
  ToyService service;
  service.decoder->Hold();
  service.Start();
  HttpClient busy(service.server->port()), idle(service.server->port());
  EXPECT_EQ(idle.Call("GET", "/ready").status, 200);
  busy.SendRequest("POST", "/v1/completions", kCompletion.dump());
  service.decoder->AwaitHeldPass();
  auto drained = std::async(std::launch::async, [&] { service.server->Drain(); });
  EXPECT_TRUE(idle.AtEnd());
  service.decoder->Release();
  EXPECT_EQ(busy.Read().status, 200);
  drained.get();
  EXPECT_THROW(HttpClient(service.server->port()).Call("GET", "/health"), std::exception);
}

TEST(HttpServer, DrainCutsOffWhatDoesNotEnd) {
  ToyService service;
  service.options.limits.drain = std::chrono::seconds(0);
  service.decoder->Hold();
  service.Start();
  HttpClient busy(service.server->port());
  nlohmann::json body = kCompletion;
  body["stream"] = true;
  busy.SendRequest("POST", "/v1/completions", body.dump());
  service.decoder->AwaitHeldPass();
  service.server->Drain();
  EXPECT_THAT(busy.Read().body, HasSubstr("stopping"));
}

TEST(HttpServer, RefusesOptionsThatCannotBe) {
  ToyService service;
  service.options.host = "no address";
  EXPECT_ERROR(service.Start(), ErrorCode::kIo, "--host");
  service.options.host = "127.0.0.1";
  service.options.tls_key = "key.pem";
  EXPECT_ERROR(service.Start(), ErrorCode::kInvalidArgument, "both");
}

TEST(HttpServer, ThePageComesWithAStrictPolicyAndATag) {
  ToyService service;
  service.Start();
  ClientReply reply = service.Call("GET", "/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers["content-type"], "text/html; charset=utf-8");
  EXPECT_EQ(reply.headers["x-content-type-options"], "nosniff");
  EXPECT_THAT(reply.headers["content-security-policy"], HasSubstr("default-src 'none'; script-src 'self'"));
  HttpClient client(service.server->port());
  EXPECT_EQ(client.Call("GET", "/index.html", "", "If-None-Match: " + reply.headers["etag"] + "\r\n").status, 304);
}

}  // namespace
}  // namespace retro
