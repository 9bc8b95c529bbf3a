#include "model/generator.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "core/utf8.h"
#include "model/generator_text.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_language_model.h"

namespace retro {
namespace {

using Prompts = std::vector<std::vector<TokenId>>;

class Generator : public ::testing::Test {
 protected:
  std::vector<TokenId> Ids(std::string_view text) const { return tokenizer_.Encode(text); }

  GenerationOptions Options() const { return {.stop_tokens = StopTokens(tokenizer_)}; }

  Generation One(const Decoder& decoder, const std::string& prompt, const GenerationOptions& options,
                 const GenerationCallback& callback = {}) {
    return Generate(decoder, tokenizer_, Prompts{Ids(prompt)}, options, pool_, callback).front();
  }

  ToyTokenizer tokenizer_;
  ThreadPool pool_{2};
};

TEST_F(Generator, WritesUntilTheStopTokenAndLeavesItOut) {
  const auto decoder = ToyDecoder::Writing("hello");
  const Generation result = One(decoder, "say>", Options());
  EXPECT_EQ(result.text, "hello");
  EXPECT_EQ(result.tokens, Ids("hello"));
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  EXPECT_EQ(result.prompt_tokens, 4);
}

TEST_F(Generator, PrefillsAllPromptsInOnePassAndThenOneTokenASequence) {
  const auto decoder = ToyDecoder::Writing("abc");
  Generate(decoder, tokenizer_, Prompts{Ids("one>"), Ids("three>")}, Options(), pool_);
  using Passes = std::vector<std::pair<size_t, size_t>>;
  EXPECT_EQ(decoder.passes, (Passes{{2, 10}, {2, 2}, {2, 2}, {2, 2}}));
}

TEST_F(Generator, FinishedSequencesLeaveTheBatch) {
  // A prompt asks for as many letters as it has.
  const ToyDecoder decoder(100, [](std::span<const TokenId> tokens) {
    const size_t asked = std::ranges::find(tokens, '>') - tokens.begin();
    return ToyDecoder::Peak(tokens.size() - asked - 1 < asked ? 'x' : ToyTokenizer::kEos);
  });
  const auto results = Generate(decoder, tokenizer_, Prompts{Ids("a>"), Ids("aaa>"), Ids("aa>")}, Options(), pool_);
  EXPECT_EQ(results[0].text, "x");
  EXPECT_EQ(results[1].text, "xxx");
  EXPECT_EQ(results[2].text, "xx");
  std::vector<size_t> batch;
  for (const auto& [sequences, tokens] : decoder.passes) batch.push_back(sequences);
  EXPECT_EQ(batch, std::vector<size_t>({3, 3, 2, 1}));
}

TEST_F(Generator, EndsAtTheMostNewTokens) {
  const auto decoder = ToyDecoder::Writing("a long answer");
  GenerationOptions options = Options();
  options.max_new_tokens = 6;
  const Generation result = One(decoder, ">", options);
  EXPECT_EQ(result.text, "a long");
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
  EXPECT_EQ(decoder.passes.size(), 6u);
}

TEST_F(Generator, EndsWhereTheContextIsFull) {
  const auto decoder = ToyDecoder::Writing("abcdefghij", '>', 8);
  const Generation result = One(decoder, "1234>", Options());
  EXPECT_EQ(result.text, "abc");
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
}

TEST_F(Generator, APromptLongerThanTheContextIsRefusedWithBothNumbers) {
  const auto decoder = ToyDecoder::Writing("a", '>', 8);
  EXPECT_ERROR(Generate(decoder, tokenizer_, Prompts{Ids(">"), Ids("12345678>")}, Options(), pool_),
               ErrorCode::kInvalidArgument, "prompt 1 has 9 tokens, and the context holds 8");
  EXPECT_ERROR(One(decoder, "1234567>", Options()), ErrorCode::kInvalidArgument, "has 8 tokens");
  EXPECT_EQ(One(decoder, "123456>", Options()).text, "a");
  EXPECT_TRUE(decoder.passes.size() == 1u) << "the refused prompts reached the decoder";
}

TEST_F(Generator, StopStringsEndTheTextAndAreNotReturned) {
  const auto decoder = ToyDecoder::Writing("Paris.\nQuestion: what");
  GenerationOptions options = Options();
  options.stop_strings = {"\nQ", "\n\n"};
  std::string streamed;
  const Generation result = One(decoder, ">", options, [&](const GenerationStep& step) {
    streamed += step.text;
    EXPECT_EQ(step.text.find('\n'), std::string_view::npos);
    return true;
  });
  EXPECT_EQ(result.text, "Paris.");
  EXPECT_EQ(streamed, "Paris.");
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  EXPECT_EQ(result.tokens, Ids("Paris.\nQ"));
}

TEST_F(Generator, StreamsWholeCharactersThatTogetherAreTheText) {
  const auto decoder = ToyDecoder::Writing("naïve 日本 😀 \xFF end");
  std::string streamed;
  int last_steps = 0;
  const Generation result = One(decoder, ">", Options(), [&](const GenerationStep& step) {
    EXPECT_TRUE(IsValidUtf8(step.text));
    streamed += step.text;
    last_steps += step.finished;
    return true;
  });
  EXPECT_EQ(result.text, "naïve 日本 😀 \uFFFD end");
  EXPECT_EQ(streamed, result.text);
  EXPECT_EQ(last_steps, 1);
}

TEST_F(Generator, TextCutByLengthKeepsWhatWasHeldBack) {
  const auto decoder = ToyDecoder::Writing("ab##c");
  GenerationOptions options = Options();
  options.max_new_tokens = 4;
  options.stop_strings = {"###"};
  std::string streamed;
  const Generation result = One(decoder, ">", options, [&](const GenerationStep& step) {
    streamed += step.text;
    return true;
  });
  EXPECT_EQ(result.text, "ab##");
  EXPECT_EQ(streamed, "ab##");
}

TEST_F(Generator, TheCallbackCancelsItsSequenceBeforeAnotherToken) {
  const auto decoder = ToyDecoder::Writing("abcdef");
  const auto results = Generate(decoder, tokenizer_, Prompts{Ids("1>"), Ids("2>")}, Options(), pool_,
                                [](const GenerationStep& step) { return step.sequence != 0 || step.text != "b"; });
  EXPECT_EQ(results[0].text, "ab");
  EXPECT_EQ(results[0].finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(results[1].text, "abcdef");
  EXPECT_EQ(decoder.passes[1].first, 2u);
  EXPECT_EQ(decoder.passes[2].first, 1u);
}

TEST_F(Generator, AnInterruptCancelsEverySequence) {
  const auto decoder = ToyDecoder::Writing("abcdef");
  const Generation result = One(decoder, ">", Options(), [](const GenerationStep& step) {
    if (step.text == "c") SetInterrupted(true);
    return true;
  });
  SetInterrupted(false);
  EXPECT_EQ(result.text, "abc");
  EXPECT_EQ(result.finish_reason, FinishReason::kCancelled);
}

TEST_F(Generator, ASequenceDoesNotDependOnItsBatch) {
  const ToyDecoder decoder(200, ToyDecoder::Noise);
  GenerationOptions options{.max_new_tokens = 30, .sampling = {.temperature = 1, .top_p = 0.9f, .seed = 5}};
  const auto together = Generate(decoder, tokenizer_, Prompts{Ids("first"), Ids("2nd"), Ids("x")}, options, pool_);
  const auto fewer = Generate(decoder, tokenizer_, Prompts{Ids("something else"), Ids("2nd")}, options, pool_);
  EXPECT_EQ(together[1].tokens, fewer[1].tokens);
  const auto twins = Generate(decoder, tokenizer_, Prompts{Ids("twin"), Ids("twin")}, options, pool_);
  EXPECT_NE(twins[0].tokens, twins[1].tokens);
}

TEST_F(Generator, LogProbabilitiesAreTheDecodersOwn) {
  const auto decoder = ToyDecoder::Writing("ok");
  GenerationOptions options = Options();
  options.log_probs = true;
  options.sampling = {.temperature = 0.1f, .top_k = 1};
  const Generation result = One(decoder, ">", options);
  ASSERT_EQ(result.log_probs.size(), 2u);
  EXPECT_NEAR(result.log_probs[0], 10 - std::log(std::exp(10.0) + ToyTokenizer::kVocabSize - 1), 1e-5);
  options.log_probs = false;
  EXPECT_TRUE(One(decoder, ">", options).log_probs.empty());
}

TEST_F(Generator, AnEmptyPromptStartsFromTheBeginningOfSequence) {
  const auto decoder = ToyDecoder::Writing("hi");
  EXPECT_EQ(One(decoder, "", {.max_new_tokens = 2}).prompt_tokens, 1);
  const ToyTokenizer without(false);
  EXPECT_ERROR(Generate(decoder, without, Prompts{{}}, Options(), pool_), ErrorCode::kInvalidArgument,
               "the prompt is empty");
}

TEST_F(Generator, OptionsThatCannotBeAreRefused) {
  const auto decoder = ToyDecoder::Writing("hi");
  EXPECT_ERROR(One(decoder, ">", {.max_new_tokens = 0}), ErrorCode::kInvalidArgument, "max_new_tokens is 0");
  EXPECT_ERROR(One(decoder, ">", {.context_len = 5000}), ErrorCode::kInvalidArgument, "context_len is 5000");
  EXPECT_ERROR(One(decoder, ">", {.sampling = {.top_p = 2}}), ErrorCode::kInvalidArgument, "top_p is 2");
  EXPECT_ERROR(One(decoder, ">", {.stop_strings = {""}}), ErrorCode::kInvalidArgument, "stop string");
  EXPECT_ERROR(Generate(decoder, tokenizer_, Prompts{}, {}, pool_), ErrorCode::kInvalidArgument, "no prompt");
}

TEST_F(Generator, SpecialTokensInTheAnswerAreNotText) {
  const ToyDecoder decoder(100, [](std::span<const TokenId> tokens) {
    return ToyDecoder::Peak(tokens.size() == 2 ? ToyTokenizer::kBos : 'a');
  });
  EXPECT_EQ(One(decoder, ">", {.max_new_tokens = 3}).text, "aa");
}

TEST_F(Generator, StopTokensAreTheSpecialOnesThatEndTexts) {
  EXPECT_EQ(StopTokens(tokenizer_), std::vector<TokenId>({ToyTokenizer::kEos, ToyTokenizer::kEndOfTurn}));
}

// Gives each chunk its own text as the one neighbour, and remembers the calls.
struct EchoRetrieval {
  std::vector<std::vector<std::string>> calls;  // "sequence:end:chunk"

  RetrieveFunction Function() {
    return [this](std::span<const RetrievalQuery> queries) {
      std::vector<ChunkNeighbours> results;
      calls.emplace_back();
      for (const RetrievalQuery& query : queries) {
        const std::string chunk(query.chunk.begin(), query.chunk.end());
        calls.back().push_back(std::to_string(query.sequence) + ":" + std::to_string(query.end) + ":" + chunk);
        results.push_back({{query.chunk.begin(), query.chunk.end()}});
      }
      return results;
    };
  }
};

TEST_F(Generator, ThePromptsLastTokenClosesAChunk) {
  auto decoder = ToyDecoder::Writing("abcdefghi");
  decoder.TakeNeighbours(4);
  EchoRetrieval retrieval;
  GenerationOptions options = Options();
  options.retrieve = retrieval.Function();
  Generate(decoder, tokenizer_, Prompts{Ids("123456789>"), Ids(">"), Ids("678>")}, options, pool_);
  using Calls = std::vector<std::vector<std::string>>;
  EXPECT_EQ(retrieval.calls, Calls({{"0:2:12", "0:6:3456", "0:10:789>", "1:1:>", "2:4:678>"},
                                    {"0:14:abcd", "1:5:abcd", "2:8:abcd"},
                                    {"0:18:efgh", "1:9:efgh", "2:12:efgh"}}));
  EXPECT_EQ(decoder.given[0][14], ChunkNeighbours({Ids("abcd")}));
  EXPECT_EQ(decoder.given[2].size(), 3u);
}

TEST_F(Generator, AStepShorterThanTheChunkAsksWithItsLastTokens) {
  auto decoder = ToyDecoder::Writing("abcdefg");
  decoder.TakeNeighbours(4);
  EchoRetrieval retrieval;
  GenerationOptions options = Options();
  options.retrieve = retrieval.Function();
  options.retrieval_step = 3;
  One(decoder, "1234>", options);
  using Calls = std::vector<std::vector<std::string>>;
  EXPECT_EQ(retrieval.calls, Calls({{"0:1:1", "0:5:234>"}, {"0:8:>abc"}, {"0:11:cdef"}}));
}

TEST_F(Generator, RetrievalThatCannotBeIsNamed) {
  auto decoder = ToyDecoder::Writing("abc");
  GenerationOptions options = Options();
  options.retrieve = [](std::span<const RetrievalQuery>) { return std::vector<ChunkNeighbours>(); };
  EXPECT_ERROR(One(decoder, ">", options), ErrorCode::kInvalidArgument, "give a RETRO model");
  decoder.TakeNeighbours(4);
  EXPECT_ERROR(One(decoder, ">", options), ErrorCode::kInternal, "1 chunks were to be given neighbours, 0 were");
  options.retrieval_step = 5;
  EXPECT_ERROR(One(decoder, ">", options), ErrorCode::kInvalidArgument, "retrieval_step is 5");
}

// Words with a space between them, as sentencepiece has it: the first word of a text has none before it.
class WordTokenizer final : public Tokenizer {
 public:
  using Tokenizer::Decode;
  void Encode(std::string_view, const EncodeOptions&, std::vector<TokenId>&) const override {}
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions&) const override {
    std::string text;
    for (size_t i = 0; i < ids.size(); ++i) {
      // Tokens 2 and 3 are the two bytes of "é".
      if (ids[i] == 2) text += i + 1 < ids.size() && ids[i + 1] == 3 ? "é" : "\uFFFD";
      if (ids[i] >= 2) continue;
      if (!text.empty()) text += ' ';
      text += Spelling(ids[i]);
    }
    return text;
  }
  size_t vocab_size() const override { return 4; }
  const SpecialTokens& special() const override { return special_; }
  bool IsSpecial(TokenId) const override { return false; }
  std::optional<TokenId> Find(std::string_view) const override { return {}; }
  std::string_view Spelling(TokenId id) const override { return id == 0 ? "red" : "hat"; }
  std::string_view kind() const override { return "sentencepiece"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  SpecialTokens special_;
  std::string fingerprint_ = "words";
};

TEST(TokenText, KeepsTheSpacesThatDependOnTheTokenBefore) {
  const WordTokenizer tokenizer;
  TokenText alone(tokenizer, {});
  EXPECT_EQ(alone.Push(0), "red");
  EXPECT_EQ(alone.Push(1), " hat");
  TokenText after(tokenizer, std::vector<TokenId>{1});
  EXPECT_EQ(after.Push(0), " red");
}

TEST(TokenText, WaitsForTheBytesOfACharacter) {
  const WordTokenizer tokenizer;
  TokenText text(tokenizer, {});
  EXPECT_EQ(text.Push(0), "red");
  EXPECT_EQ(text.Push(2), "");
  EXPECT_EQ(text.Push(3), "é");
  EXPECT_EQ(text.Push(2), "");
  EXPECT_EQ(text.Finish(), "\uFFFD");
}

}  // namespace
}  // namespace retro
