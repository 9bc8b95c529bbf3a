// A decoder with an adapter is two models to clients, under two names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/generator.h"
#include "tests/service-http/toy_service.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

using nlohmann::json;
using ::testing::Not;
using ::testing::StartsWith;

struct AdapterService : ToyService {
  AdapterService() : ToyService("adapted") {
    adapter_id = "toy-tuned";
    decoder->SetBaseScript("plain");
  }

  // With the model of this name; empty: none is named.
  json Complete(const std::string& name) {
    json body = {{"prompt", "Who?>"}, {"max_tokens", 40}, {"temperature", 0}};
    if (!name.empty()) body["model"] = name;
    return Post("/v1/completions", body).Json();
  }
};

TEST(Adapter, IsListedAfterItsBaseAndNamesIt) {
  AdapterService service;
  service.Start();
  const json models = service.Call("GET", "/v1/models").Json()["data"];
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0]["id"], "toy");
  EXPECT_EQ(models[0]["parent"], json());
  EXPECT_EQ(models[1]["id"], "toy-tuned");
  EXPECT_EQ(models[1]["parent"], "toy");
  for (const json& model : models) {
    EXPECT_EQ(service.Call("GET", "/v1/models/" + model["id"].get<std::string>()).Json(), model);
  }
}

TEST(Adapter, TheNameInARequestChooses) {
  AdapterService service;
  service.Start();
  EXPECT_EQ(service.Complete("toy")["choices"][0]["text"], "plain");
  EXPECT_EQ(service.Complete("toy")["model"], "toy");
  EXPECT_EQ(service.Complete("toy-tuned")["choices"][0]["text"], "adapted");
  EXPECT_EQ(service.Complete("toy-tuned")["model"], "toy-tuned");
  for (const auto& [name, text] : {std::pair("toy", "plain"), std::pair("toy-tuned", "adapted")}) {
    const json chat = {{"model", name}, {"messages", {{{"role", "user"}, {"content", "Who?"}}}}, {"temperature", 0}};
    const json reply = service.Post("/v1/chat/completions", chat).Json();
    EXPECT_EQ(reply["choices"][0]["message"]["content"], text);
    EXPECT_EQ(reply["model"], name);
    EXPECT_EQ(service.Post("/tokenize", {{"model", name}, {"prompt", "Who?"}}).status, 200);
  }
}

TEST(Adapter, IsForPassagesWhereNoNameIsGiven) {
  AdapterService service;
  service.AddDatabase();
  service.Start();
  EXPECT_EQ(service.Complete("")["model"], "toy");
  EXPECT_EQ(service.Complete("")["choices"][0]["text"], "plain");
  json chat = {{"messages", {{{"role", "user"}, {"content", "Who?"}}}}, {"temperature", 0}};
  EXPECT_EQ(service.Post("/v1/chat/completions", chat).Json()["model"], "toy");
  chat["retrieval"] = {{"mode", "prompt"}, {"k", 1}};
  const json reply = service.Post("/v1/chat/completions", chat).Json();
  EXPECT_EQ(reply["model"], "toy-tuned");
  EXPECT_THAT(reply["choices"][0]["message"]["content"].get<std::string>(), StartsWith("adapted"));
}

TEST(Adapter, AnswersComeWithItAndItsPromptUnlessTheBaseIsNamed) {
  AdapterService service;
  service.AddDatabase();
  service.Start();
  const json adapted = service.Post("/v1/answer", {{"question", "Who?"}}).Json();
  EXPECT_THAT(adapted["text"].get<std::string>(), StartsWith("adapted"));
  EXPECT_EQ(adapted["model"], "toy-tuned");
  const json base = service.Post("/v1/answer", {{"question", "Who?"}, {"model", "toy"}}).Json();
  EXPECT_THAT(base["text"].get<std::string>(), StartsWith("plain"));
  EXPECT_EQ(base["model"], "toy");
  // With worked examples.
  EXPECT_GT(base["usage"]["prompt_tokens"], adapted["usage"]["prompt_tokens"]);
}

TEST(Adapter, AnotherNameIsOpenAisError) {
  AdapterService service;
  service.Start();
  for (const char* path : {"/v1/completions", "/v1/chat/completions", "/v1/answer", "/tokenize", "/detokenize"}) {
    const ClientReply reply = service.Post(path, {{"model", "toy-"}, {"prompt", "a"}});
    EXPECT_EQ(reply.status, 404) << path;
    EXPECT_EQ(reply.Json()["error"]["code"], "model_not_found") << path;
    EXPECT_EQ(reply.Json()["error"]["param"], "model") << path;
  }
  EXPECT_EQ(service.Call("GET", "/v1/models/other").Json()["error"]["code"], "model_not_found");
}

TEST(Adapter, EachNameWritesWhatItsDecoderWritesAlone) {
  AdapterService service;
  ThreadPool pool(1);
  const auto model = GoldenFolder("llama/gqa"), adapter = GoldenFolder("lora/llama");
  service.other_decoder = LoadDecoder(model, pool, WeightPrecision::kAsStored, adapter);
  service.Start();
  const std::vector<TokenId> prompt = {5, 9, 2, 33, 41, 8, 1, 60, 17, 3, 3, 21, 50, 12, 7, 30, 29, 4};
  const std::shared_ptr<const Decoder> base = LoadDecoder(model, pool), adapted = service.other_decoder;
  const GenerationOptions options{.max_new_tokens = 20, .stop_tokens = {}};
  std::vector<std::vector<TokenId>> written;
  // Twice, since the second ones find the prompt in the cache.
  for (int round = 0; round < 2; ++round) {
    for (const auto& [name, decoder] : {std::pair("toy", base), std::pair("toy-tuned", adapted)}) {
      const json reply = service
                             .Post("/v1/completions", {{"model", name},
                                                       {"prompt", prompt},
                                                       {"max_tokens", 20},
                                                       {"temperature", 0},
                                                       {"ignore_eos", true},
                                                       {"logprobs", 0},
                                                       {"return_tokens_as_token_ids", true}})
                             .Json();
      written.push_back(Generate(*decoder, ChatTokenizer(), {&prompt, 1}, options, pool).front().tokens);
      std::vector<std::string> tokens;
      for (const TokenId token : written.back()) tokens.push_back("token_id:" + std::to_string(token));
      EXPECT_EQ(reply["choices"][0]["logprobs"]["tokens"], json(tokens)) << name;
      EXPECT_EQ(reply["usage"]["prompt_tokens_details"]["cached_tokens"], round == 0 ? 0 : 17) << name;
    }
  }
  EXPECT_THAT(written[0], Not(written[1]));
}

}  // namespace
}  // namespace retro
