// What must hold of chunked cross-attention whatever the weights (Borgeaud et al. 2022, equations 1 to 7): where
// neighbours act and where not, and that caches, batches and cuts into calls do not matter.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "core/thread_pool.h"
#include "model/decoder.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"
#include "tests/testing/retro_checkpoint.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr float kExact = 0, kRounding = 5e-5f;
constexpr int64_t kChunkLen = 8, kNeighbourLen = 13;

// Neighbours of chunks, by where these end.
using Retrieved = std::map<int64_t, ChunkNeighbours>;

struct RetroCase {
  const char* base;
  bool gated;
  bool one_layer_each;  // of cross-attention, in the second layer
};

class RetroDecoder : public testing::TestWithParam<RetroCase> {
 protected:
  RetroDecoder() {
    RetroConfig config = SmallRetroConfig();
    config.gated = GetParam().gated;
    if (GetParam().one_layer_each) config.cca_layers = config.encoder.cross_layers = {1};
    WriteRetroCheckpoint(GoldenFolder(GetParam().base), folder_.path(), config);
    decoder_ = LoadDecoder(folder_.path(), pool_);
    tokens_ = Tokens(40);
    for (int64_t end = kChunkLen; end <= 40; end += kChunkLen) {
      retrieved_[end] = {Tokens(kNeighbourLen), Tokens(end == 16 ? 4 : kNeighbourLen)};
    }
  }

  std::vector<TokenId> Tokens(size_t count) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = static_cast<TokenId>(random_() % vocab_size());
    return tokens;
  }

  void Give(KvCache& cache, const Retrieved& retrieved, int sequence = 0) const {
    for (const auto& [end, neighbours] : retrieved) {
      if (end > cache.length(sequence)) decoder_->SetNeighbours(cache, sequence, end, neighbours);
    }
  }

  std::vector<float> Append(KvCache& cache, std::span<const TokenId> tokens) {
    const SequenceInput input{0, tokens};
    std::vector<float> logits;
    decoder_->Forward(cache, {&input, 1}, LogitsFor::kAllTokens, logits, pool_);
    return logits;
  }

  std::vector<float> Whole(std::span<const TokenId> tokens, const Retrieved& retrieved) {
    const auto cache = decoder_->NewCache(1, 48);
    Give(*cache, retrieved);
    return Append(*cache, tokens);
  }

  std::vector<float> Rows(const std::vector<float>& logits, int64_t begin, int64_t end) const {
    return {logits.begin() + begin * vocab_size(), logits.begin() + end * vocab_size()};
  }

  // Whether each row is another one.
  std::vector<bool> Changed(const std::vector<float>& a, const std::vector<float>& b) const {
    std::vector<bool> changed;
    for (size_t at = 0; at < a.size(); at += vocab_size()) {
      float most = 0;
      for (int64_t i = 0; i < vocab_size(); ++i) most = std::max(most, std::abs(a[at + i] - b[at + i]));
      changed.push_back(most > 10 * kRounding);
    }
    return changed;
  }

  int64_t vocab_size() const { return decoder_->config().vocab_size; }

  TempDir folder_;
  ThreadPool pool_{2};
  std::mt19937 random_{7};
  std::unique_ptr<Decoder> decoder_;
  std::vector<TokenId> tokens_;
  Retrieved retrieved_;
};

TEST_P(RetroDecoder, WithoutRetrievalItIsTheBaseBitForBit) {
  const auto base = LoadDecoder(GoldenFolder(GetParam().base), pool_);
  const auto cache = base->NewCache(1, 48);
  const SequenceInput input{0, tokens_};
  std::vector<float> expected;
  base->Forward(*cache, {&input, 1}, LogitsFor::kAllTokens, expected, pool_);
  EXPECT_EQ(Whole(tokens_, {}), expected);
  EXPECT_EQ(Whole(tokens_, {{8, {}}, {16, {{}, {}}}, {24, {}}}), expected);
  EXPECT_NE(Whole(tokens_, retrieved_), expected);
}

TEST_P(RetroDecoder, NeighboursActFromTheirChunksLastTokenOn) {
  Retrieved other = retrieved_;
  other[24][1][12] = (other[24][1][12] + 1) % static_cast<TokenId>(vocab_size());
  const auto before = Whole(tokens_, retrieved_), after = Whole(tokens_, other);
  EXPECT_EQ(Rows(after, 0, 23), Rows(before, 0, 23));
  const auto changed = Changed(before, after);
  for (int64_t i = 23; i < 31; ++i) EXPECT_TRUE(changed[i]) << i;
}

TEST_P(RetroDecoder, TheFirstTokensAreFreeOfAllRetrieval) {
  const auto without = Whole(tokens_, {}), with = Whole(tokens_, retrieved_);
  EXPECT_EQ(Rows(with, 0, kChunkLen - 1), Rows(without, 0, kChunkLen - 1));
  EXPECT_TRUE(Changed(without, with)[kChunkLen - 1]);
}

TEST_P(RetroDecoder, LaterTokensDoNotReachEarlierOnes) {
  for (const int64_t place : {15, 21, 39}) {
    auto changed = tokens_;
    changed[place] = (changed[place] + 1) % static_cast<TokenId>(vocab_size());
    const auto before = Whole(tokens_, retrieved_), after = Whole(changed, retrieved_);
    EXPECT_EQ(Rows(after, 0, place), Rows(before, 0, place));
    EXPECT_TRUE(Changed(before, after)[place]) << place;
  }
}

TEST_P(RetroDecoder, TokenByTokenEqualsOnePass) {
  const auto cache = decoder_->NewCache(1, 48);
  std::vector<float> stepped;
  for (int64_t i = 0; i < 40; ++i) {
    // As in generation: the neighbours come when the chunk's last token is known and not through the decoder yet.
    if (retrieved_.contains(i + 1)) decoder_->SetNeighbours(*cache, 0, i + 1, retrieved_[i + 1]);
    const auto row = Append(*cache, std::span(tokens_).subspan(i, 1));
    stepped.insert(stepped.end(), row.begin(), row.end());
  }
  ExpectNear(stepped, Whole(tokens_, retrieved_), kExact);
}

TEST_P(RetroDecoder, PrefillInPartsEqualsOnePass) {
  const auto whole = Whole(tokens_, retrieved_);
  for (const int64_t first : {1, 7, 8, 9, 15, 23}) {
    for (const int64_t second : {1, 8, 16}) {
      const auto cache = decoder_->NewCache(1, 48);
      Give(*cache, retrieved_);
      const auto all = std::span<const TokenId>(tokens_);
      auto logits = Append(*cache, all.first(first));
      for (const auto part : {all.subspan(first, second), all.subspan(first + second)}) {
        const auto more = Append(*cache, part);
        logits.insert(logits.end(), more.begin(), more.end());
      }
      ExpectNear(logits, whole, kExact);
    }
  }
}

TEST_P(RetroDecoder, ABatchOfUnequalPromptsEqualsEachAlone) {
  const auto all = std::span<const TokenId>(tokens_);
  const std::span<const TokenId> prompts[] = {all.first(13), all.subspan(3, 30), all.last(2)};
  // The rule of left padding: the last token closes a chunk.
  const Retrieved retrieved[] = {{{5, retrieved_[8]}, {13, retrieved_[16]}},
                                 {{6, retrieved_[24]}, {14, {}}, {22, retrieved_[8]}, {30, retrieved_[32]}},
                                 {{2, {Tokens(5), {}, Tokens(13), Tokens(1)}}}};
  const auto cache = decoder_->NewCache(3, 40);
  std::vector<SequenceInput> inputs;
  for (int i = 0; i < 3; ++i) {
    Give(*cache, retrieved[i], i);
    inputs.push_back({i, prompts[i]});
  }
  std::vector<float> together;
  for (int step = 0; step < 4; ++step) {
    decoder_->Forward(*cache, inputs, LogitsFor::kLastToken, together, pool_);
    for (int i = 0; i < 3; ++i) inputs[i].tokens = std::span<const TokenId>(tokens_).subspan(step, 1);
  }
  for (int i = 0; i < 3; ++i) {
    std::vector<TokenId> own(prompts[i].begin(), prompts[i].end());
    own.insert(own.end(), tokens_.begin(), tokens_.begin() + 3);
    const auto alone = Whole(own, retrieved[i]);
    ExpectNear(Rows(together, i, i + 1), Rows(alone, std::ssize(own) - 1, std::ssize(own)), kExact);
  }
}

TEST_P(RetroDecoder, TheOrderOfNeighboursDoesNotMatter) {
  Retrieved turned = retrieved_;
  for (auto& [end, neighbours] : turned) std::ranges::reverse(neighbours);
  ExpectNear(Whole(tokens_, turned), Whole(tokens_, retrieved_), kRounding);
}

TEST_P(RetroDecoder, MissingNeighboursAreNotAttendedTo) {
  Retrieved one = retrieved_, with_gaps = retrieved_;
  for (auto& [end, neighbours] : one) neighbours.pop_back();
  for (auto& [end, neighbours] : with_gaps) neighbours = {{}, neighbours[0], {}};
  EXPECT_EQ(Whole(tokens_, with_gaps), Whole(tokens_, one));
}

// A softmax over the keys of equal neighbours is that over one of them.
TEST_P(RetroDecoder, MoreNeighboursThanInTrainingShareOneSoftmax) {
  Retrieved one = retrieved_, five = retrieved_;
  for (auto& [end, neighbours] : one) neighbours.pop_back();
  for (auto& [end, neighbours] : five) neighbours = ChunkNeighbours(5, neighbours[0]);
  ExpectNear(Whole(tokens_, five), Whole(tokens_, one), kRounding);
}

TEST_P(RetroDecoder, ChunksMayCloseMoreOftenThanTheyAreLong) {
  Retrieved often;
  for (int64_t end = 2; end <= 40; end += 3) often[end] = {Tokens(7), Tokens(13)};
  const auto whole = Whole(tokens_, often);
  const auto cache = decoder_->NewCache(1, 48);
  std::vector<float> stepped;
  for (int64_t i = 0; i < 40; ++i) {
    if (often.contains(i + 1)) decoder_->SetNeighbours(*cache, 0, i + 1, often[i + 1]);
    const auto row = Append(*cache, std::span(tokens_).subspan(i, 1));
    stepped.insert(stepped.end(), row.begin(), row.end());
  }
  ExpectNear(stepped, whole, kExact);
}

TEST_P(RetroDecoder, ATruncatedSequenceGoesOnWithTheNeighboursThatItHas) {
  const auto whole = Whole(tokens_, retrieved_);
  for (const int64_t length : {5, 8, 12, 26, 31, 39}) {
    const auto cache = decoder_->NewCache(1, 48);
    Give(*cache, retrieved_);
    Append(*cache, tokens_);
    cache->Truncate(0, length);
    Give(*cache, retrieved_);
    ExpectNear(Append(*cache, std::span(tokens_).subspan(length)), Rows(whole, length, 40), kExact);
  }
}

TEST_P(RetroDecoder, TruncationForgetsTheNeighboursOfWhatIsGone) {
  const auto cache = decoder_->NewCache(1, 48);
  Give(*cache, retrieved_);
  Append(*cache, tokens_);
  cache->Truncate(0, 15);
  const auto expected = Whole(tokens_, {{8, retrieved_[8]}});
  ExpectNear(Append(*cache, std::span(tokens_).subspan(15)), Rows(expected, 15, 40), kExact);
}

TEST_P(RetroDecoder, ACopiedSequenceKeepsTheNeighboursOfItsTokens) {
  const auto whole = Whole(tokens_, retrieved_);
  const auto cache = decoder_->NewCache(1, 48);
  Give(*cache, retrieved_);
  Append(*cache, tokens_);
  for (const int64_t length : {5, 8, 12, 31}) {
    const int to = cache->Add(40);
    cache->CopyTokens(0, length, to);
    Give(*cache, retrieved_, to);
    const SequenceInput input{to, std::span(tokens_).subspan(length)};
    std::vector<float> logits;
    decoder_->Forward(*cache, {&input, 1}, LogitsFor::kAllTokens, logits, pool_);
    ExpectNear(logits, Rows(whole, length, 40), kExact);
    cache->Remove(to);
  }
}

TEST_P(RetroDecoder, NeighboursGivenAgainReplaceTheOthers) {
  const auto cache = decoder_->NewCache(1, 48);
  Give(*cache, retrieved_);
  decoder_->SetNeighbours(*cache, 0, 16, retrieved_[40]);
  Retrieved other = retrieved_;
  other[16] = retrieved_[40];
  EXPECT_EQ(Append(*cache, tokens_), Whole(tokens_, other));
}

TEST_P(RetroDecoder, EightBitWeightsStayClose) {
  const auto exact = Whole(tokens_, retrieved_);
  decoder_ = LoadDecoder(folder_.path(), pool_, WeightPrecision::kInt8);
  const auto logits = Whole(tokens_, retrieved_);
  double squares = 0, differences = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    squares += exact[i] * exact[i];
    differences += (logits[i] - exact[i]) * (logits[i] - exact[i]);
  }
  EXPECT_LT(differences, 0.01 * squares);
}

TEST_P(RetroDecoder, MisuseIsNamedAndChangesNothing) {
  const auto cache = decoder_->NewCache(2, 40);
  Give(*cache, retrieved_);
  Append(*cache, std::span(tokens_).first(16));
  const auto set = [&](int sequence, int64_t end, const ChunkNeighbours& neighbours) {
    decoder_->SetNeighbours(*cache, sequence, end, neighbours);
  };
  const auto vocab = static_cast<TokenId>(vocab_size());
  EXPECT_ERROR(set(2, 8, {}), ErrorCode::kInvalidArgument, "sequence 2: the cache has 2");
  EXPECT_ERROR(set(0, 16, {}), ErrorCode::kInvalidArgument, "ends after 16 tokens");
  EXPECT_ERROR(set(0, 41, {}), ErrorCode::kInvalidArgument, "ends after 41 tokens");
  EXPECT_ERROR(set(0, 24, {Tokens(14)}), ErrorCode::kInvalidArgument, "a neighbour of 14 tokens");
  EXPECT_ERROR(set(0, 24, {{vocab}}), ErrorCode::kInvalidArgument, "outside the vocabulary");
  EXPECT_EQ(Append(*cache, std::span(tokens_).subspan(16)), [&] {
    const auto other = decoder_->NewCache(2, 40);
    Give(*other, retrieved_);
    Append(*other, std::span(tokens_).first(16));
    return Append(*other, std::span(tokens_).subspan(16));
  }());
}

INSTANTIATE_TEST_SUITE_P(Families, RetroDecoder,
                         testing::Values(RetroCase{"gpt2", true, false}, RetroCase{"gpt2", false, true},
                                         RetroCase{"llama/gqa", false, false}, RetroCase{"llama/gqa", true, true}),
                         [](const auto& info) { return "RetroCase" + std::to_string(info.index); });

TEST(RetroCheckpoint, ItsOwnParametersAreCounted) {
  ThreadPool pool(1);
  TempDir folder;
  WriteRetroCheckpoint(GoldenFolder("llama/gqa"), folder.path(), SmallRetroConfig());
  uint64_t expected = LoadDecoder(GoldenFolder("llama/gqa"), pool)->num_parameters();
  const DecoderSource source = OpenDecoder(folder.path());
  for (const std::string& name : source.tensors->Names()) {
    if (name.starts_with("retro.")) expected += source.tensors->Find(name)->num_elements();
  }
  EXPECT_EQ(LoadDecoder(folder.path(), pool)->num_parameters(), expected);
}

TEST(RetroCheckpoint, AnEmbeddingMayBeTheDecoders) {
  ThreadPool pool(1);
  TempDir folder;
  RetroConfig config = SmallRetroConfig();
  config.encoder.shared_embedding = true;
  config.encoder.hidden_dim = 32;
  WriteRetroCheckpoint(GoldenFolder("llama/gqa"), folder.path(), config);
  const auto decoder = LoadDecoder(folder.path(), pool);
  const auto cache = decoder->NewCache(1, 10);
  const std::vector<TokenId> tokens = {1, 2, 3};
  decoder->SetNeighbours(*cache, 0, 3, {tokens});
  const SequenceInput input{0, tokens};
  std::vector<float> logits;
  decoder->Forward(*cache, {&input, 1}, LogitsFor::kLastToken, logits, pool);
  EXPECT_TRUE(std::ranges::all_of(logits, [](float value) { return std::isfinite(value); }));
}

TEST(RetroCheckpoint, AMissingTensorIsNamed) {
  ThreadPool pool(1);
  TempDir folder;
  WriteRetroCheckpoint(GoldenFolder("gpt2"), folder.path(), SmallRetroConfig());
  nlohmann::json config = nlohmann::json::parse(ReadFile(folder.path() / "config.json"));
  config["retro"]["encoder"]["num_layers"] = 3;
  WriteFileAtomically(folder.path() / "config.json", config.dump());
  EXPECT_ERROR(LoadDecoder(folder.path(), pool), ErrorCode::kCorruption, "retro.encoder.layers.2.attention_norm");
}

TEST(RetroCheckpoint, ADecoderWithoutCrossAttentionTakesNoNeighbours) {
  ThreadPool pool(1);
  const auto decoder = LoadDecoder(GoldenFolder("gpt2"), pool);
  const auto cache = decoder->NewCache(1, 8);
  EXPECT_ERROR(decoder->SetNeighbours(*cache, 0, 4, {}), ErrorCode::kInvalidArgument, "give a RETRO model");
}

}  // namespace
}  // namespace retro
