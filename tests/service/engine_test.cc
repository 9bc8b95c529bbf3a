// What the engine does with requests, on a decoder whose every answer is known.
#include "service/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "core/thread_pool.h"
#include "core/utf8.h"
#include "tests/service/engine_testing.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_language_model.h"

namespace retro {
namespace {

using Passes = std::vector<std::pair<size_t, size_t>>;

class EngineTest : public testing::Test {
 protected:
  void Start(ToyDecoder decoder, const EngineLimits& limits = {}) {
    decoder_ = std::make_shared<ToyDecoder>(std::move(decoder));
    engine_ = std::make_unique<Engine>(decoder_, tokenizer_, limits, 2);
  }

  EngineRequest Request(std::string_view prompt) const {
    return {.prompt = tokenizer_->Encode(prompt), .stop_tokens = StopTokens(*tokenizer_)};
  }

  // A request whose first event holds the engine up until `door_` is open.
  std::unique_ptr<Asked> HoldUp() {
    EngineRequest request = Request("holds up>");
    request.max_new_tokens = 4;
    return std::make_unique<Asked>(*engine_, request, [this](const EngineEvent&) { door_.Wait(); });
  }

  std::vector<TokenId> Ids(std::string_view text) const { return tokenizer_->Encode(text); }

  std::shared_ptr<ToyTokenizer> tokenizer_ = std::make_shared<ToyTokenizer>();
  Door door_;
  std::shared_ptr<ToyDecoder> decoder_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, WritesUntilTheStopTokenAndTellsIt) {
  Start(ToyDecoder::Writing("hello"));
  Asked asked(*engine_, Request("say>"));
  const Told& told = asked.Wait();
  EXPECT_EQ(told.text, "hello");
  EXPECT_EQ(told.tokens, Ids("hello"));
  EXPECT_EQ(told.finish_reason, FinishReason::kStop);
  ASSERT_TRUE(told.stop_token);
  EXPECT_EQ(told.stop_token->token, ToyTokenizer::kEos);
  EXPECT_FALSE(told.error);
}

TEST_F(EngineTest, RequestsJoinBetweenTheStepsOfOthers) {
  Start(ToyDecoder::Writing("abcdef"));
  std::unique_ptr<Asked> second;
  Asked first(*engine_, Request("1>"), [&](const EngineEvent& event) {
    if (event.text == "c") second = std::make_unique<Asked>(*engine_, Request("two>"));
  });
  EXPECT_EQ(first.Wait().text, "abcdef");
  EXPECT_EQ(second->Wait().text, "abcdef");
  EXPECT_EQ(decoder_->passes, (Passes{{1, 2}, {1, 1}, {1, 1}, {2, 5}, {2, 2}, {2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}));
}

TEST_F(EngineTest, LongPromptsComeInSlicesAndStallNobody) {
  Start(ToyDecoder::Writing("abcdefgh"), {.prefill_slice = 4});
  std::unique_ptr<Asked> second, third;
  Asked first(*engine_, Request("1>"), [&](const EngineEvent& event) {
    if (event.text != "a") return;
    second = std::make_unique<Asked>(*engine_, Request("123456789>"));
    third = std::make_unique<Asked>(*engine_, Request("123>"));
  });
  EXPECT_EQ(first.Wait().text, "abcdefgh");
  EXPECT_EQ(second->Wait().text, "abcdefgh");
  EXPECT_EQ(third->Wait().text, "abcdefgh");
  const Passes begin(decoder_->passes.begin(), decoder_->passes.begin() + 6);
  EXPECT_EQ(begin, (Passes{{1, 2}, {2, 5}, {2, 5}, {3, 5}, {3, 4}, {3, 3}}));
}

TEST_F(EngineTest, ARequestWaitsForRoomInTheOrderOfArrival) {
  Start(ToyDecoder::Writing("abc"), {.max_sequences = 8, .cache_tokens = 30});
  const auto held = HoldUp();
  std::vector<std::string> order;
  const auto ask = [&](const std::string& prompt, int64_t most) {
    EngineRequest request = Request(prompt);
    request.max_new_tokens = most;
    return std::make_unique<Asked>(*engine_, request, [&order, prompt](const EngineEvent& event) {
      if (event.text == "a") order.push_back(prompt);
    });
  };
  const auto big = ask("a big one, with much before>", 2), small = ask("s>", 4);
  door_.Open();
  EXPECT_EQ(big->Wait().text, "ab");
  EXPECT_EQ(small->Wait().text, "abc");
  EXPECT_EQ(order, (std::vector<std::string>{"a big one, with much before>", "s>"}));
}

TEST_F(EngineTest, NoMoreSequencesRunThanAllowed) {
  Start(ToyDecoder::Writing("abcdef"), {.max_sequences = 3});
  const auto held = HoldUp();
  std::vector<std::unique_ptr<Asked>> all;
  for (int i = 0; i < 9; ++i) all.push_back(std::make_unique<Asked>(*engine_, Request("x>")));
  door_.Open();
  for (const auto& asked : all) EXPECT_EQ(asked->Wait().text, "abcdef");
  size_t most = 0;
  for (const auto& [sequences, tokens] : decoder_->passes) most = std::max(most, sequences);
  EXPECT_EQ(most, 3u);
}

TEST_F(EngineTest, AFullQueueRefuses) {
  Start(ToyDecoder::Writing("abc"), {.max_sequences = 1, .max_queued = 2, .max_queued_tokens = 10});
  const auto held = HoldUp();
  while (engine_->Stats().running == 0) std::this_thread::yield();
  Asked one(*engine_, Request("1234>"));
  EXPECT_ERROR(Asked(*engine_, Request("12345>")), ErrorCode::kUnavailable, "1 requests with 5 prompt tokens wait");
  Asked two(*engine_, Request("2>"));
  EXPECT_ERROR(Asked(*engine_, Request(">")), ErrorCode::kUnavailable, "2 requests with 7 prompt tokens wait");
  EXPECT_EQ(engine_->Stats().waiting, 2);
  EXPECT_EQ(engine_->Stats().waiting_tokens, 7);
  door_.Open();
  EXPECT_EQ(one.Wait().text, "abc");
  EXPECT_EQ(two.Wait().text, "abc");
  EXPECT_EQ(engine_->Stats().waiting_tokens, 0);
}

TEST_F(EngineTest, ACancelledRequestIsNotInTheNextStep) {
  Start(ToyDecoder::Writing("abcdefgh"));
  std::unique_ptr<Asked> second;
  Asked first(*engine_, Request("1>"), [&](const EngineEvent& event) {
    if (event.text == "a") second = std::make_unique<Asked>(*engine_, Request("2>"));
    if (event.text == "d") second->ticket().Cancel();
  });
  EXPECT_EQ(first.Wait().text, "abcdefgh");
  EXPECT_EQ(second->SoFar().text, "ab");
  EXPECT_FALSE(second->SoFar().finished);
  EXPECT_EQ(decoder_->passes, (Passes{{1, 2}, {2, 3}, {2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}));
  EXPECT_EQ(engine_->Stats().cancelled, 1u);
}

TEST_F(EngineTest, ARequestMayCancelItselfAndOneThatWaits) {
  Start(ToyDecoder::Writing("abcdef"), {.max_sequences = 1});
  Door ready;
  std::unique_ptr<Asked> first, second, third;
  first = std::make_unique<Asked>(*engine_, Request("1>"), [&](const EngineEvent& event) {
    ready.Wait();
    if (event.text != "b") return;
    second->ticket().Cancel();
    first->ticket().Cancel();
  });
  second = std::make_unique<Asked>(*engine_, Request("2>"));
  third = std::make_unique<Asked>(*engine_, Request("3>"));
  ready.Open();
  EXPECT_EQ(third->Wait().text, "abcdef");
  EXPECT_EQ(first->SoFar().text, "ab");
  EXPECT_EQ(second->SoFar().num_events, 0);
  EXPECT_EQ(engine_->Stats().cancelled, 2u);
  EXPECT_EQ(engine_->Stats().waiting, 0);
  first->ticket().Cancel();
  third->ticket().Cancel();
  EXPECT_EQ(engine_->Stats().cancelled, 2u);
}

TEST_F(EngineTest, WhatAnEventHoldsIsLetGoOfAtTheEnd) {
  Start(ToyDecoder::Writing("abc"));
  std::weak_ptr<int> held[2];
  std::unique_ptr<EngineTicket> tickets[2];
  Door ended;
  for (int i = 0; i < 2; ++i) {
    const auto value = std::make_shared<int>(i);
    held[i] = value;
    EngineRequest request = Request(">");
    if (i == 0) request.stop_tokens = {};
    if (i == 0) request.max_new_tokens = 900;
    tickets[i] = engine_->Submit(std::move(request), [value, &ended, i](const EngineEvent& event) {
      if (i == 1 && event.finished) ended.Open();
    });
  }
  ended.Wait();
  tickets[0]->Cancel();
  EXPECT_TRUE(held[0].expired());
  engine_.reset();
  EXPECT_TRUE(held[1].expired());
}

TEST_F(EngineTest, DestroyingTheEngineEndsEveryRequestAsCancelled) {
  Start(ToyDecoder(10000, [](std::span<const TokenId>) { return ToyDecoder::Peak('x'); }), {.max_sequences = 1});
  EngineRequest endless = Request(">");
  endless.max_new_tokens = 9000;
  Asked running(*engine_, endless), waiting(*engine_, endless);
  running.WaitForEvents(3);
  engine_.reset();
  EXPECT_EQ(running.Wait().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(waiting.Wait().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(running.SoFar().text, std::string(running.SoFar().tokens.size(), 'x'));
  running.ticket().Cancel();
}

TEST_F(EngineTest, AnEventThatThrowsHurtsItsOwnRequestOnly) {
  Start(ToyDecoder::Writing("abcdef"));
  Asked bad(*engine_, Request("1>"), [](const EngineEvent& event) {
    if (event.text == "b") throw std::runtime_error("no");
  });
  Asked good(*engine_, Request("2>"));
  EXPECT_EQ(good.Wait().text, "abcdef");
  EXPECT_EQ(bad.SoFar().text, "a");
}

TEST_F(EngineTest, LogitsThatAreNotFiniteFailTheirOwnRequestOnly) {
  Start(ToyDecoder(100, [](std::span<const TokenId> tokens) {
    auto logits = ToyDecoder::Peak('x');
    if (tokens[0] == '!' && tokens.size() > 3) logits[5] = std::numeric_limits<float>::quiet_NaN();
    return logits;
  }));
  EngineRequest request = Request("!>");
  request.max_new_tokens = 5;
  Asked bad(*engine_, request);
  request.prompt = Ids("1>");
  Asked good(*engine_, request);
  EXPECT_EQ(good.Wait().text, "xxxxx");
  ASSERT_TRUE(bad.Wait().error);
  EXPECT_ERROR(std::rethrow_exception(bad.Wait().error), ErrorCode::kCorruption, "not finite");
  EXPECT_EQ(bad.Wait().text, "xx");
}

TEST_F(EngineTest, ATokenThatTheTokenizerDoesNotKnowFailsItsOwnRequestOnly) {
  class Short final : public Tokenizer {
   public:
    using Tokenizer::Decode;
    void Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const override {
      bytes_.Encode(text, options, ids);
    }
    std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const override {
      if (std::ranges::find(ids, '!') != ids.end()) Throw(ErrorCode::kInvalidArgument, "no such token");
      return bytes_.Decode(ids, options);
    }
    size_t vocab_size() const override { return bytes_.vocab_size(); }
    const SpecialTokens& special() const override { return bytes_.special(); }
    bool IsSpecial(TokenId id) const override { return bytes_.IsSpecial(id); }
    std::optional<TokenId> Find(std::string_view token) const override { return bytes_.Find(token); }
    std::string_view Spelling(TokenId id) const override { return bytes_.Spelling(id); }
    std::string_view kind() const override { return bytes_.kind(); }
    const std::string& fingerprint() const override { return bytes_.fingerprint(); }

   private:
    ToyTokenizer bytes_;
  };
  decoder_ = std::make_shared<ToyDecoder>(100, [](std::span<const TokenId> tokens) {
    return ToyDecoder::Peak(tokens[0] == 'b' && tokens.size() == 4 ? '!' : 'x');
  });
  engine_ = std::make_unique<Engine>(decoder_, std::make_shared<Short>(), EngineLimits{}, 1);
  Asked bad(*engine_, {.prompt = {'b', '>'}, .max_new_tokens = 6}),
      good(*engine_, {.prompt = {'g', '>'}, .max_new_tokens = 6});
  EXPECT_EQ(good.Wait().text, "xxxxxx");
  EXPECT_EQ(bad.Wait().text, "xx");
  EXPECT_ERROR(std::rethrow_exception(bad.Wait().error), ErrorCode::kInvalidArgument, "no such token");
}

TEST_F(EngineTest, TextsAreThoseOfGenerate) {
  const std::vector<std::string> texts = {"naïve 日本 😀 \xFF end", "ab##c", "Paris.\nQuestion: what", "one two",
                                          "日\xE6\x97"};
  const std::vector<std::vector<std::string>> stops = {{}, {"###"}, {"\nQ", "\n\n"}, {"本"}, {" t", "e "}};
  ThreadPool pool(1);
  for (const std::string& text : texts) {
    Start(ToyDecoder::Writing(text));
    for (const auto& stop_strings : stops) {
      for (const int64_t most : {1, 4, 100}) {
        EngineRequest request = Request(">");
        request.stop_strings = stop_strings;
        request.max_new_tokens = most;
        Asked asked(*engine_, request, [](const EngineEvent& event) { EXPECT_TRUE(IsValidUtf8(event.text)); });
        const std::vector<std::vector<TokenId>> prompts = {request.prompt};
        const Generation expected =
            Generate(*decoder_, *tokenizer_, prompts,
                     {.max_new_tokens = most, .stop_tokens = request.stop_tokens, .stop_strings = stop_strings}, pool)
                .front();
        const Told& told = asked.Wait();
        EXPECT_EQ(told.text, expected.text);
        EXPECT_EQ(told.tokens, expected.tokens);
        EXPECT_EQ(told.finish_reason, expected.finish_reason);
      }
    }
  }
}

TEST_F(EngineTest, AlternativesAreTheMostProbableTokensInOrder) {
  Start(ToyDecoder(100, ToyDecoder::Noise));
  EngineRequest request = Request("some prompt");
  request.stop_tokens = {};
  request.max_new_tokens = 5;
  request.top_log_probs = 20;
  Asked asked(*engine_, request);
  const Told& told = asked.Wait();
  ASSERT_EQ(told.described.size(), 5u);
  for (const TokenLogProb& token : told.described) {
    ASSERT_EQ(token.top.size(), 20u);
    // Greedy: the very same float.
    EXPECT_EQ(token.top[0].first, token.token);
    EXPECT_EQ(token.top[0].second, token.log_prob);
    EXPECT_TRUE(std::ranges::is_sorted(token.top, std::greater(), &std::pair<TokenId, float>::second));
    EXPECT_LT(token.log_prob, 0);
  }
}

TEST_F(EngineTest, TheStopTokenHasItsLogProbability) {
  Start(ToyDecoder::Writing(""));
  EngineRequest request = Request("a>");
  request.max_new_tokens = 1;
  request.top_log_probs = 1;
  request.prompt_log_probs = true;
  Asked asked(*engine_, request);
  const Told& told = asked.Wait();
  EXPECT_TRUE(told.tokens.empty());
  ASSERT_TRUE(told.stop_token);
  EXPECT_NEAR(told.stop_token->log_prob, 10 - std::log(std::exp(10.0) + ToyTokenizer::kVocabSize - 1), 1e-5);
  EXPECT_EQ(told.stop_token->top[0].second, told.stop_token->log_prob);
  EXPECT_EQ(told.prompt.size(), 2u);
}

TEST_F(EngineTest, NoNewTokensGiveThePromptOnly) {
  Start(ToyDecoder(8, ToyDecoder::Noise));
  for (const std::string prompt : {"x", "12345678"}) {
    EngineRequest request = Request(prompt);
    request.max_new_tokens = 0;
    request.top_log_probs = 2;
    request.prompt_log_probs = true;
    Asked asked(*engine_, request);
    const Told& told = asked.Wait();
    EXPECT_TRUE(told.tokens.empty());
    EXPECT_EQ(told.finish_reason, FinishReason::kLength);
    ASSERT_EQ(told.prompt.size(), prompt.size());
    EXPECT_TRUE(std::isnan(told.prompt[0].log_prob));
    EXPECT_TRUE(told.prompt[0].top.empty());
    for (size_t i = 1; i < prompt.size(); ++i) {
      EXPECT_EQ(told.prompt[i].token, prompt[i]);
      EXPECT_EQ(told.prompt[i].top.size(), 2u);
    }
  }
}

TEST_F(EngineTest, SamplesOfOneSeedAreToldApartByTheirIndex) {
  Start(ToyDecoder(100, ToyDecoder::Noise));
  EngineRequest request = Request("twin");
  request.max_new_tokens = 20;
  request.sampling = {.temperature = 1, .seed = 3};
  ThreadPool pool(1);
  const std::vector<std::vector<TokenId>> prompts = {request.prompt, request.prompt};
  const auto expected =
      Generate(*decoder_, *tokenizer_, prompts,
               {.max_new_tokens = 20, .stop_tokens = request.stop_tokens, .sampling = request.sampling}, pool);
  for (const uint64_t index : {1, 0}) {
    request.sample_index = index;
    Asked asked(*engine_, request);
    EXPECT_EQ(asked.Wait().tokens, expected[index].tokens);
  }
}

TEST_F(EngineTest, AnEmptyPromptStartsFromTheBeginningOfSequence) {
  Start(ToyDecoder(10, [](std::span<const TokenId> tokens) {
    return ToyDecoder::Peak(tokens[0] == ToyTokenizer::kBos ? 'y' : 'n');
  }));
  EngineRequest request = Request("");
  request.max_new_tokens = 1;
  Asked asked(*engine_, request);
  EXPECT_EQ(asked.Wait().text, "y");
}

TEST_F(EngineTest, RequestsThatCannotBeAreRefusedAtOnce) {
  Start(ToyDecoder::Writing("a", '>', 8), {.cache_tokens = 6});
  const auto refuse = [&](const EngineRequest& request, const char* message) {
    EXPECT_ERROR(Asked(*engine_, request), ErrorCode::kInvalidArgument, message);
  };
  refuse(Request("12345678"), "the prompt has 8 tokens, and the context holds 8");
  refuse(Request("1234>"), "a prompt of 5 tokens and 3 new ones exceed the engine's cache of 6");
  refuse({.prompt = {1, ToyTokenizer::kVocabSize}}, "token 259");
  refuse({.prompt = {1}, .max_new_tokens = -1}, "max_new_tokens is -1");
  refuse({.prompt = {1}, .max_new_tokens = 2, .stop_strings = {""}}, "stop string");
  refuse({.prompt = {1}, .max_new_tokens = 2, .sampling = {.top_p = 2}}, "top_p is 2");
  refuse({.prompt = {1}, .max_new_tokens = 2, .top_log_probs = -2}, "top_log_probs is -2");
  refuse({.prompt = {1},
          .max_new_tokens = 2,
          .retrieve = [](std::span<const RetrievalQuery>) { return std::vector<ChunkNeighbours>(); }},
         "give a RETRO model");
  EXPECT_ERROR(Engine(decoder_, tokenizer_, {.max_sequences = 0}, 1), ErrorCode::kInvalidArgument,
               "max_sequences is 0");
  EXPECT_EQ(engine_->Stats().cancelled, 0u);
}

TEST_F(EngineTest, StatsCountWhatHappened) {
  Start(ToyDecoder::Writing("abc"), {.cache_tokens = 500});
  EXPECT_EQ(engine_->Stats().cache_capacity, 500);
  for (int i = 0; i < 3; ++i) Asked(*engine_, Request("12>")).Wait();
  std::atomic<bool> told = false;  // the numbers are those of an event when it is told, not before
  Asked last(*engine_, Request("1>"), [&](const EngineEvent&) {
    told = true;
    told.notify_one();
    door_.Wait();
  });
  told.wait(false);
  EXPECT_EQ(engine_->Stats().prompt_tokens, 11u);
  EXPECT_EQ(engine_->Stats().running, 1);
  EXPECT_EQ(engine_->Stats().cached_tokens, 2 + 256);
  EXPECT_EQ(engine_->Stats().generation_tokens, 10u) << "three answers and the token that is being told";
  door_.Open();
  last.Wait();
  engine_.reset();
}

TEST_F(EngineTest, ASharedBeginningIsComputedOnce) {
  const std::string system = "You are a helpful assistant. ";
  Start(ToyDecoder::Writing("abc"));
  Asked first(*engine_, Request(system + "Who?>"));
  EXPECT_EQ(first.Wait().cached_prompt_tokens, 0);
  decoder_->passes.clear();
  Asked second(*engine_, Request(system + "When?>"));
  EXPECT_EQ(second.Wait().text, "abc");
  EXPECT_EQ(second.Wait().cached_prompt_tokens, std::ssize(system) + 2);
  EXPECT_EQ(decoder_->passes[0], (std::pair<size_t, size_t>{1, 4}));
  // The whole of an ended request, answer included, and a prompt that adds nothing: its last token is computed again.
  Asked third(*engine_, Request(system + "When?>abc"));
  EXPECT_EQ(third.Wait().cached_prompt_tokens, std::ssize(system) + 8);
  EXPECT_EQ(engine_->Stats().prefix_hits, 2u);
}

TEST_F(EngineTest, RunningRequestsShareTheirBeginningToo) {
  const std::string system = "You are a helpful assistant. ";
  Start(ToyDecoder::Writing("abcdef"), {.prefix_cache_tokens = 0});
  std::unique_ptr<Asked> second;
  Asked first(*engine_, Request(system + "1>"), [&](const EngineEvent& event) {
    if (event.text == "b") second = std::make_unique<Asked>(*engine_, Request(system + "2>"));
  });
  EXPECT_EQ(first.Wait().text, "abcdef");
  EXPECT_EQ(second->Wait().text, "abcdef");
  EXPECT_EQ(second->Wait().cached_prompt_tokens, std::ssize(system));
  Asked third(*engine_, Request(system + "3>"));
  EXPECT_EQ(third.Wait().cached_prompt_tokens, 0) << "nothing is kept";
}

// Gives each chunk its own text as the one neighbour, and remembers what it was asked.
struct EchoRetrieval {
  std::mutex mutex;
  std::vector<std::vector<std::string>> calls;  // "sequence:end:chunk"

  RetrieveFunction Function() {
    return [this](std::span<const RetrievalQuery> queries) {
      const std::lock_guard lock(mutex);
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

TEST_F(EngineTest, NeighboursAreAskedForAsInGenerate) {
  ToyDecoder decoder = ToyDecoder::Writing("abcdefghi");
  decoder.TakeNeighbours(4);
  Start(std::move(decoder), {.prefill_slice = 3});
  for (const int64_t step : {0, 3}) {
    for (const std::string prompt : {"123456789>", ">", "678>"}) {
      EngineRequest request = Request(prompt);
      EchoRetrieval retrieval, expected;
      request.retrieve = retrieval.Function();
      request.retrieval_step = step;
      Asked asked(*engine_, request);
      EXPECT_EQ(asked.Wait().text, "abcdefghi");
      ThreadPool pool(1);
      Generate(*decoder_, *tokenizer_, std::vector<std::vector<TokenId>>{request.prompt},
               {.stop_tokens = request.stop_tokens, .retrieve = expected.Function(), .retrieval_step = step}, pool);
      EXPECT_EQ(retrieval.calls, expected.calls);
    }
  }
}

TEST_F(EngineTest, OthersDecodeWhileOneWaitsForNeighbours) {
  ToyDecoder decoder = ToyDecoder::Writing("abcdefgh");
  decoder.TakeNeighbours(4);
  Start(std::move(decoder));
  EngineRequest slow = Request("slow>");
  slow.retrieve = [this](std::span<const RetrievalQuery> queries) {
    door_.Wait();
    return std::vector<ChunkNeighbours>(queries.size());
  };
  Asked waits(*engine_, slow), other(*engine_, Request("other>"));
  EXPECT_EQ(other.Wait().text, "abcdefgh");
  EXPECT_EQ(waits.SoFar().num_events, 0);
  door_.Open();
  EXPECT_EQ(waits.Wait().text, "abcdefgh");
}

TEST_F(EngineTest, RetrievalThatFailsFailsItsOwnRequestOnly) {
  ToyDecoder decoder = ToyDecoder::Writing("abcdefgh");
  decoder.TakeNeighbours(4);
  Start(std::move(decoder));
  EngineRequest throws = Request("1>"), short_of_one = Request("2>"), cancelled = Request("3>");
  throws.retrieve = [](std::span<const RetrievalQuery> queries) {
    if (queries[0].end > 2) Throw(ErrorCode::kIo, "the database is gone");
    return std::vector<ChunkNeighbours>(queries.size());
  };
  short_of_one.retrieve = [](std::span<const RetrievalQuery>) { return std::vector<ChunkNeighbours>(); };
  cancelled.retrieve = [this](std::span<const RetrievalQuery> queries) {
    door_.Wait();
    return std::vector<ChunkNeighbours>(queries.size());
  };
  Asked one(*engine_, throws), two(*engine_, short_of_one), good(*engine_, Request("4>"));
  EXPECT_EQ(good.Wait().text, "abcdefgh");
  EXPECT_ERROR(std::rethrow_exception(one.Wait().error), ErrorCode::kIo, "the database is gone");
  EXPECT_EQ(one.Wait().text, "abcd");
  EXPECT_ERROR(std::rethrow_exception(two.Wait().error), ErrorCode::kInternal, "1 chunks");
  Asked three(*engine_, cancelled);
  three.ticket().Cancel();
  door_.Open();
  Asked later(*engine_, Request("5>"));
  EXPECT_EQ(later.Wait().text, "abcdefgh");
  EXPECT_EQ(three.SoFar().num_events, 0);
}

}  // namespace
}  // namespace retro
