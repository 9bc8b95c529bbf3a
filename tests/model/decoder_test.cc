// What must hold of a decoder whatever its weights: how a sequence is cut into calls and what else runs beside it do
// not matter, later tokens do not reach earlier ones, and bad input leaves the cache alone.
#include "model/decoder.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/thread_pool.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

// A token's logits are the same to the last bit, however its sequence was cut and whatever ran beside it.
constexpr float kExact = 0;

class DecoderProperties : public testing::TestWithParam<const char*> {
 protected:
  std::vector<float> Append(KvCache& cache, std::vector<SequenceInput> inputs, LogitsFor which) {
    std::vector<float> logits;
    decoder_->Forward(cache, inputs, which, logits, pool_);
    return logits;
  }

  std::vector<float> Append(KvCache& cache, std::span<const TokenId> tokens) {
    return Append(cache, {{0, tokens}}, LogitsFor::kAllTokens);
  }

  std::vector<float> WholeSequence(std::span<const TokenId> tokens) { return Append(*NewCache(), tokens); }

  std::vector<float> LastRow(std::span<const TokenId> tokens) {
    return Append(*NewCache(), {{0, tokens}}, LogitsFor::kLastToken);
  }

  std::unique_ptr<KvCache> NewCache(int num_sequences = 1) { return decoder_->NewCache(num_sequences, 48); }

  size_t vocab_size() const { return decoder_->config().vocab_size; }

  ThreadPool pool_{2};
  std::unique_ptr<Decoder> decoder_ = LoadDecoder(GoldenFolder(GetParam()), pool_);
  // The longest of the golden sequences: 40 tokens.
  std::vector<TokenId> tokens_ = ReadSequences(GoldenFolder(GetParam()) / "tokens.json")[2];
};

TEST_P(DecoderProperties, TokenByTokenEqualsOnePass) {
  const auto cache = NewCache();
  std::vector<float> stepped;
  for (const TokenId& token : tokens_) {
    const auto row = Append(*cache, {&token, 1});
    stepped.insert(stepped.end(), row.begin(), row.end());
  }
  ExpectNear(stepped, WholeSequence(tokens_), kExact);
}

TEST_P(DecoderProperties, PrefillInPartsEqualsOnePass) {
  const auto cache = NewCache();
  const auto all = std::span<const TokenId>(tokens_);
  auto logits = Append(*cache, all.first(17));
  EXPECT_EQ(cache->length(0), 17);
  for (const auto part : {all.subspan(17, 2), all.subspan(19)}) {
    const auto more = Append(*cache, part);
    logits.insert(logits.end(), more.begin(), more.end());
  }
  EXPECT_EQ(cache->length(0), 40);
  ExpectNear(logits, WholeSequence(tokens_), kExact);
}

TEST_P(DecoderProperties, ABatchOfUnequalPromptsEqualsEachAlone) {
  const auto all = std::span<const TokenId>(tokens_);
  const std::span<const TokenId> prompts[] = {all.first(5), all.subspan(3, 30), all.last(1)};
  const auto cache = NewCache(3);
  const auto together = Append(*cache, {{2, prompts[2]}, {0, prompts[0]}, {1, prompts[1]}}, LogitsFor::kLastToken);
  ASSERT_EQ(together.size(), 3 * vocab_size());
  const int order[] = {2, 0, 1};
  for (size_t row = 0; row < 3; ++row) {
    ExpectNear(std::span(together).subspan(row * vocab_size(), vocab_size()), LastRow(prompts[order[row]]), kExact);
  }
  EXPECT_EQ(cache->length(1), 30);
}

TEST_P(DecoderProperties, ABatchedStepEqualsEachAlone) {
  const auto all = std::span<const TokenId>(tokens_);
  const auto cache = NewCache(2);
  Append(*cache, {{0, all.first(9)}, {1, all.subspan(20, 3)}}, LogitsFor::kNone);
  const auto together = Append(*cache, {{0, all.subspan(9, 1)}, {1, all.subspan(23, 1)}}, LogitsFor::kLastToken);
  ExpectNear(std::span(together).first(vocab_size()), LastRow(all.first(10)), kExact);
  ExpectNear(std::span(together).last(vocab_size()), LastRow(all.subspan(20, 4)), kExact);
}

// Weights of 8 bits go through products of integers.
TEST_P(DecoderProperties, WithEightBitWeightsTooCutsAndBatchesDoNotMatter) {
  decoder_ = LoadDecoder(GoldenFolder(GetParam()), pool_, WeightPrecision::kInt8);
  const auto all = std::span<const TokenId>(tokens_);
  const auto whole = WholeSequence(all);
  const auto cache = NewCache(20);
  std::vector<SequenceInput> inputs;
  for (int i = 1; i < 20; ++i) inputs.push_back({i, all.subspan(i, 20 - i)});
  for (size_t begin = 0; begin < all.size();) {
    const size_t count = std::min(begin == 7 ? size_t{1} : size_t{7}, all.size() - begin);
    inputs.insert(inputs.begin(), {0, all.subspan(begin, count), LogitsFor::kAllTokens});
    ExpectNear(Append(*cache, inputs, LogitsFor::kNone),
               std::span(whole).subspan(begin * vocab_size(), count * vocab_size()), kExact);
    inputs.clear();
    for (int i = 1; i < 20 && begin < 20; ++i) inputs.push_back({i, all.subspan(begin, 1)});
    begin += count;
  }
}

TEST_P(DecoderProperties, AnInputMaySayForWhichTokensItWantsLogits) {
  const auto all = std::span<const TokenId>(tokens_);
  const auto whole = WholeSequence(all);
  const auto logits = Append(
      *NewCache(3), {{0, all.first(5), LogitsFor::kNone}, {1, all.first(4), LogitsFor::kAllTokens}, {2, all.first(3)}},
      LogitsFor::kLastToken);
  ASSERT_EQ(logits.size(), 5 * vocab_size());
  ExpectNear(std::span(logits).first(4 * vocab_size()), std::span(whole).first(4 * vocab_size()), kExact);
  ExpectNear(std::span(logits).last(vocab_size()), std::span(whole).subspan(2 * vocab_size(), vocab_size()), kExact);
}

TEST_P(DecoderProperties, SequencesComeAndGo) {
  const auto all = std::span<const TokenId>(tokens_);
  const auto whole = WholeSequence(all);
  const auto cache = NewCache(0);
  EXPECT_EQ(cache->Add(40), 0);
  EXPECT_EQ(cache->Add(9), 1);
  Append(*cache, {{0, all.first(30)}, {1, all.subspan(4, 9)}}, LogitsFor::kNone);
  EXPECT_ERROR(Append(*cache, {{1, all.first(1)}}, LogitsFor::kNone), ErrorCode::kInvalidArgument, "the cache's 9");
  cache->Remove(1);
  EXPECT_ERROR(Append(*cache, {{1, all.first(1)}}, LogitsFor::kNone), ErrorCode::kInvalidArgument, "was removed");
  EXPECT_EQ(cache->Add(20), 1);
  EXPECT_EQ(cache->length(1), 0);
  const auto logits = Append(*cache, {{1, all.first(20)}, {0, all.subspan(30)}}, LogitsFor::kAllTokens);
  ExpectNear(std::span(logits).first(20 * vocab_size()), std::span(whole).first(20 * vocab_size()), kExact);
  ExpectNear(std::span(logits).subspan(20 * vocab_size()), std::span(whole).subspan(30 * vocab_size()), kExact);
  EXPECT_ERROR(cache->Add(0), ErrorCode::kInvalidArgument, "a sequence of 0 tokens");
  EXPECT_ERROR(cache->Add(49), ErrorCode::kInvalidArgument, "those of 1 to 48");
}

TEST_P(DecoderProperties, ACopiedSequenceGoesOnAsItsOriginal) {
  const auto all = std::span<const TokenId>(tokens_);
  const auto whole = WholeSequence(all);
  const auto cache = NewCache(0);
  const int from = cache->Add(48);
  Append(*cache, {{from, all}}, LogitsFor::kNone);
  for (const int64_t length : {0, 1, 15, 16, 17, 39}) {
    const int to = cache->Add(40);
    cache->CopyTokens(from, length, to);
    EXPECT_EQ(cache->length(to), length);
    ExpectNear(Append(*cache, {{to, all.subspan(length)}}, LogitsFor::kAllTokens),
               std::span(whole).subspan(length * vocab_size()), kExact);
    EXPECT_ERROR(cache->CopyTokens(from, 3, to), ErrorCode::kInternal, "cannot copy");
    cache->Remove(to);
  }
}

TEST_P(DecoderProperties, ATruncatedSequenceGoesOnAsIfTheRestHadNeverBeen) {
  const auto all = std::span<const TokenId>(tokens_);
  const auto cache = NewCache();
  Append(*cache, all);
  cache->Truncate(0, 12);
  EXPECT_EQ(cache->length(0), 12);
  const auto again = Append(*cache, all.subspan(12));
  const auto whole = WholeSequence(all);
  ExpectNear(again, std::span(whole).subspan(12 * vocab_size()), kExact);
}

TEST_P(DecoderProperties, LaterTokensDoNotReachEarlierOnes) {
  auto changed = tokens_;
  changed[25] = (changed[25] + 1) % static_cast<TokenId>(vocab_size());
  const auto before = WholeSequence(tokens_), after = WholeSequence(changed);
  ExpectNear(std::span(after).first(25 * vocab_size()), std::span(before).first(25 * vocab_size()), 0);
  // And the change itself is seen from its own position on.
  for (size_t token = 25; token < tokens_.size(); ++token) {
    EXPECT_NE(after[token * vocab_size()], before[token * vocab_size()]) << token;
  }
}

TEST_P(DecoderProperties, LastTokenLogitsAreTheLastRowOfAll) {
  const auto all = WholeSequence(tokens_);
  ExpectNear(LastRow(tokens_), std::span(all).last(vocab_size()), kExact);
  EXPECT_TRUE(Append(*NewCache(), {{0, tokens_}}, LogitsFor::kNone).empty());
}

TEST_P(DecoderProperties, BadTokensLeaveTheCacheAsItWas) {
  const auto cache = NewCache(2);
  Append(*cache, {{0, std::span(tokens_).first(4)}}, LogitsFor::kNone);
  for (const TokenId bad : {TokenId{-1}, static_cast<TokenId>(vocab_size())}) {
    const std::vector<TokenId> tokens = {1, bad};
    EXPECT_ERROR(Append(*cache, {{1, tokens_}, {0, tokens}}, LogitsFor::kNone), ErrorCode::kInvalidArgument,
                 "token " + std::to_string(bad));
  }
  EXPECT_EQ(cache->length(0), 4);
  EXPECT_EQ(cache->length(1), 0);
}

TEST_P(DecoderProperties, TooManyTokensLeaveTheCacheAsItWas) {
  const auto cache = NewCache();
  Append(*cache, {{0, std::span(tokens_).first(9)}}, LogitsFor::kNone);
  EXPECT_ERROR(Append(*cache, {{0, tokens_}}, LogitsFor::kNone), ErrorCode::kInvalidArgument,
               "40 tokens after 9 exceed the cache's 48");
  EXPECT_EQ(cache->length(0), 9);
  EXPECT_NO_THROW(Append(*cache, {{0, std::span(tokens_).first(39)}}, LogitsFor::kNone));
}

TEST_P(DecoderProperties, MisuseIsNamed) {
  const auto cache = NewCache(2);
  const auto append = [&](std::vector<SequenceInput> inputs) { Append(*cache, inputs, LogitsFor::kNone); };
  EXPECT_ERROR(append({{0, tokens_}, {0, tokens_}}), ErrorCode::kInvalidArgument, "sequence 0 comes twice");
  EXPECT_ERROR(append({{2, tokens_}}), ErrorCode::kInvalidArgument, "sequence 2: the cache has 2");
  EXPECT_ERROR(append({{0, {}}}), ErrorCode::kInvalidArgument, "no tokens");
  EXPECT_ERROR(decoder_->NewCache(-1, 8), ErrorCode::kInvalidArgument, "-1 sequences");
  EXPECT_ERROR(decoder_->NewCache(1, 0), ErrorCode::kInvalidArgument, "0 tokens");
  EXPECT_ERROR(decoder_->NewCache(1, decoder_->config().context_len + 1), ErrorCode::kInvalidArgument, "context");
}

TEST_P(DecoderProperties, NoInputsGiveNoLogits) {
  const auto cache = NewCache();
  EXPECT_TRUE(Append(*cache, std::vector<SequenceInput>{}, LogitsFor::kAllTokens).empty());
}

INSTANTIATE_TEST_SUITE_P(Families, DecoderProperties, testing::Values("gpt2", "llama/gqa", "llama/llama3_rope"),
                         [](const auto& info) { return "Case" + std::to_string(info.index); });

TEST(Decoder, ACacheOfAnotherDecoderIsRefused) {
  ThreadPool pool(1);
  const auto one = LoadDecoder(GoldenFolder("gpt2"), pool), other = LoadDecoder(GoldenFolder("llama/gqa"), pool);
  const auto cache = other->NewCache(1, 8);
  const std::vector<TokenId> tokens = {1};
  const SequenceInput input{0, tokens};
  std::vector<float> logits;
  EXPECT_ERROR(one->Forward(*cache, {&input, 1}, LogitsFor::kNone, logits, pool), ErrorCode::kInvalidArgument,
               "another decoder");
}

TEST(Decoder, AMissingModelIsNamed) {
  ThreadPool pool(1);
  EXPECT_ERROR(LoadDecoder("/no/such/model", pool), ErrorCode::kNotFound, "/no/such/model");
}

}  // namespace
}  // namespace retro
