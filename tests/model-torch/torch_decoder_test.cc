#include "model/torch/torch_decoder.h"

#include <gtest/gtest.h>

#include "core/thread_pool.h"
#include "model/decoder.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

class TorchDecoderGolden : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path folder_ = GoldenFolder(GetParam());
  Sequences sequences_ = ReadSequences(folder_ / "tokens.json");
};

TEST_P(TorchDecoderGolden, HasTheLogitsOfTheReference) {
  const TorchDecoder decoder(OpenDecoder(folder_));
  ExpectNear(decoder.Logits(Spans(sequences_)), ReadFloats(folder_ / "logits.f32"), 1e-4f);
}

TEST_P(TorchDecoderGolden, AgreesWithTheEngineOnOtherTokens) {
  for (auto& sequence : sequences_) std::ranges::reverse(sequence);
  const auto logits = TorchDecoder(OpenDecoder(folder_)).Logits(Spans(sequences_));
  ThreadPool pool(2);
  const auto engine = LoadDecoder(folder_, pool);
  const auto cache = engine->NewCache(static_cast<int>(sequences_.size()), engine->config().context_len);
  std::vector<SequenceInput> inputs;
  for (size_t i = 0; i < sequences_.size(); ++i) inputs.push_back({static_cast<int>(i), sequences_[i]});
  std::vector<float> engine_logits;
  engine->Forward(*cache, inputs, LogitsFor::kAllTokens, engine_logits, pool);
  ExpectNear(engine_logits, logits, 1e-4f);
}

INSTANTIATE_TEST_SUITE_P(Families, TorchDecoderGolden, testing::Values("gpt2", "llama/gqa", "llama/llama3_rope"),
                         [](const auto& info) { return "Case" + std::to_string(info.index); });

// The file's RoPE turns neighbouring elements; the module's turns halves.
TEST(TorchDecoder, AGgufFileAgreesWithTheEngine) {
  const auto path =
      std::filesystem::path(RETRO_DEPS_DIR) / "models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
  const std::vector<TokenId> tokens = {504, 3575, 282, 4649, 314};
  const std::span<const TokenId> sequence = tokens;
  const auto logits = TorchDecoder(OpenDecoder(path)).Logits({&sequence, 1});
  ThreadPool pool(2);
  const auto engine = LoadDecoder(path, pool);
  const auto cache = engine->NewCache(1, 8);
  const SequenceInput input{0, tokens};
  std::vector<float> engine_logits;
  engine->Forward(*cache, {&input, 1}, LogitsFor::kAllTokens, engine_logits, pool);
  ExpectNear(engine_logits, logits, 0.02f);
}

TEST(TorchDecoder, BadInputIsNamed) {
  const auto source = OpenDecoder(GoldenFolder("gpt2"));
  const TorchDecoder decoder(source);
  const auto logits_of = [&](std::vector<TokenId> tokens) {
    const std::span<const TokenId> sequence = tokens;
    decoder.Logits({&sequence, 1});
  };
  EXPECT_ERROR(logits_of({}), ErrorCode::kInvalidArgument, "0 tokens");
  EXPECT_ERROR(logits_of({61}), ErrorCode::kInvalidArgument, "token 61");
  EXPECT_ERROR(logits_of(std::vector<TokenId>(49)), ErrorCode::kInvalidArgument, "49 tokens");
  EXPECT_TRUE(decoder.Logits({}).empty());
  EXPECT_ERROR(TorchDecoder(source, "abacus"), ErrorCode::kInvalidArgument, "abacus");
  EXPECT_ERROR(TorchDecoder(source, "cuda:x"), ErrorCode::kInvalidArgument, "cuda:x");
  EXPECT_ERROR(TorchDecoder(source, "cuda:99"), ErrorCode::kUnavailable, "cuda:99");
}

}  // namespace
}  // namespace retro
