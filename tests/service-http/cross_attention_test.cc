// The modes that give neighbours to a decoder, with a small one of random weights: what the server's engine makes of
// them is what the decoder alone makes of them.
#include <gtest/gtest.h>

#include "core/progress.h"
#include "index-builder/index_builder.h"
#include "service/answerer.h"
#include "tests/service-http/toy_service.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/retro_checkpoint.h"

namespace retro {
namespace {

using nlohmann::json;

constexpr std::string_view kPrompt = "The Amber Bridge stands in the north of the town, and";

struct RetroService : ToyService {
  RetroService() {
    Progress::SetEnabled(false);
    WriteRandomLlama(folder / "base", ChatTokenizer::kVocabSize, 2000);
    WriteRetroCheckpoint(folder / "base", folder / "model", SmallRetroConfig());
    ThreadPool pool(1);
    other_decoder = LoadDecoder(folder / "model", pool);
    std::string lines;
    for (const char* text : {"The Amber Bridge was designed by Elsa Norling in 1931.",
                             "Copper melts at 1085 degrees, and tin at 232 degrees Celsius.",
                             "In the north of the town stands a bridge of amber."}) {
      lines += json{{"id", "document " + std::string(text, 6)}, {"title", "T"}, {"text", text}}.dump() + "\n";
    }
    WriteText(folder / "documents.jsonl", lines);
    embedder = MakeHashingEmbedder();
    const IndexOptions options{.chunk_len = static_cast<uint32_t>(SmallRetroConfig().chunk_len)};
    BuildIndex({folder / "documents.jsonl"}, *tokenizer, *embedder, folder / "db", options, pool);
    database = std::make_shared<RetrievalDatabase>(folder / "db", embedder, tokenizer);
  }

  json Complete(const char* mode) {
    return Post("/v1/completions", {{"prompt", kPrompt},
                                    {"max_tokens", 30},
                                    {"temperature", 0},
                                    {"ignore_eos", true},
                                    {"logprobs", 1},
                                    {"return_tokens_as_token_ids", true},
                                    {"retrieval", {{"mode", mode}, {"k", 2}}}})
        .Json();
  }

  std::shared_ptr<const Tokenizer> tokenizer = std::make_shared<ChatTokenizer>();
};

TEST(CrossAttention, ACompletionIsWhatTheDecoderWritesWithTheSameNeighbours) {
  RetroService service;
  service.Start();
  const json reply = service.Complete("cca");
  ThreadPool pool(1);
  NeighbourRetriever retriever(service.database, *service.other_decoder->config().retro, *service.tokenizer, {.k = 2},
                               pool);
  const std::vector<TokenId> prompt = service.tokenizer->Encode(kPrompt);
  const GenerationOptions options{.max_new_tokens = 30, .stop_tokens = {}, .retrieve = retriever.Function()};
  const Generation alone = Generate(*service.other_decoder, *service.tokenizer, {&prompt, 1}, options, pool).front();
  std::vector<std::string> tokens;
  for (const TokenId token : alone.tokens) tokens.push_back("token_id:" + std::to_string(token));
  EXPECT_EQ(reply["choices"][0]["logprobs"]["tokens"], json(tokens));

  const json& chunks = reply["choices"][0]["retrieval"]["chunks"];
  ASSERT_EQ(chunks.size(), retriever.retrieved().size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    const RetrievedChunk& expected = retriever.retrieved()[i];
    EXPECT_EQ(chunks[i]["end"], expected.end);
    ASSERT_EQ(chunks[i]["neighbours"].size(), 2u);
    for (size_t j = 0; j < 2; ++j) {
      EXPECT_EQ(chunks[i]["neighbours"][j]["chunk_id"], std::to_string(expected.neighbours[j].chunk.value));
    }
  }
}

TEST(CrossAttention, NeighboursChangeWhatIsWritten) {
  RetroService service;
  service.Start();
  const auto log_probs = [&](const char* mode) {
    return service.Complete(mode)["choices"][0]["logprobs"]["token_logprobs"];
  };
  EXPECT_NE(log_probs("cca"), log_probs("off"));
  EXPECT_NE(log_probs("both"), log_probs("prompt"));
  EXPECT_EQ(log_probs("cca"), log_probs("cca"));
}

TEST(CrossAttention, BothPutTheBestPassageIntoThePromptAndNotAmongTheNeighbours) {
  RetroService service;
  service.Start();
  const json used = service.Complete("both")["choices"][0]["retrieval"];
  ASSERT_EQ(used["passages"].size(), 1u);
  ASSERT_FALSE(used["chunks"].empty());
  for (const json& chunk : used["chunks"]) {
    ASSERT_EQ(chunk["neighbours"].size(), 2u);
    for (const json& neighbour : chunk["neighbours"]) EXPECT_NE(neighbour["chunk_id"], used["passages"][0]["chunk_id"]);
  }
}

TEST(CrossAttention, AnAnswerNamesTheNeighboursOfEachOfItsChunks) {
  RetroService service;
  service.Start();
  for (const char* mode : {"cca", "both"}) {
    const json body = {{"question", "Who designed the Amber Bridge?"},
                       {"max_tokens", 40},
                       {"retrieval", {{"mode", mode}, {"k", 2}}},
                       {"stream", true}};
    const auto events = ParseEvents(service.Post("/v1/answer", body).body);
    ASSERT_EQ(events.back().first, "answer") << events.back().second;
    const json answer = json::parse(events.back().second);
    EXPECT_EQ(answer["retrieval"]["mode"], mode);
    EXPECT_EQ(answer["sources"].size(), 2u);
    ASSERT_FALSE(answer["chunks"].empty());
    size_t num_chunks = 0;
    for (const auto& [name, data] : events) {
      if (name != "chunk") continue;
      const json chunk = json::parse(data);
      EXPECT_EQ(chunk["neighbours"], answer["chunks"][num_chunks]["neighbours"]);
      ++num_chunks;
    }
    EXPECT_EQ(num_chunks, answer["chunks"].size());
  }
}

TEST(CrossAttention, TheModelSaysThatItCan) {
  RetroService service;
  service.Start();
  EXPECT_EQ(service.Call("GET", "/v1/models").Json()["data"][0]["retrieval"]["modes"],
            (json{"off", "prompt", "cca", "both"}));
}

}  // namespace
}  // namespace retro
