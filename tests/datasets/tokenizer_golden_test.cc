// Ids of the reference library (tests/golden/tokenizers/make.py) on texts where tokenizers tend to disagree.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/file.h"
#include "core/thread_pool.h"
#include "datasets/tokenizer.h"
#include "datasets/tokenizer_batch.h"

namespace retro {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(RETRO_SOURCE_DIR) / "tests/golden/tokenizers";

const nlohmann::json& Golden() {
  static const auto golden = nlohmann::json::parse(ReadFile(kGolden / "golden.json"));
  return golden;
}

std::filesystem::path FileOf(const std::string& name) {
  if (name == "minilm") return std::filesystem::path(RETRO_DEPS_DIR) / "models/all-MiniLM-L6-v2/tokenizer.json";
  return kGolden / (name + ".json");
}

std::vector<std::string> Texts() { return Golden()["texts"].get<std::vector<std::string>>(); }

// FNV-1a over the ids, as make.py has it.
std::string Fold(const std::vector<TokenId>& ids) {
  uint64_t value = 0xCBF29CE484222325;
  for (const TokenId id : ids) value = (value ^ static_cast<uint64_t>(id)) * 0x100000001B3;
  return fmt::format("{:016x}", value);
}

std::map<std::string, std::string> LongWords() {
  constexpr size_t kLength = 1'000'000;
  uint64_t state = 1;
  std::string letters, pairs;
  for (size_t i = 0; i < kLength; ++i) {
    state = (state * 1103515245 + 12345) % (uint64_t{1} << 31);
    letters += "etaoinshrdlu"[state / 65536 % 12];
    pairs += "ab"[i % 2];
  }
  return {{"one letter", std::string(kLength, 'x')},
          {"two letters", pairs},
          {"random letters", letters},
          {"spaces", std::string(kLength, ' ') + "x"},
          {"digits", std::string(kLength, '7')},
          {"symbols", std::string(kLength, '-')}};
}

class GoldenTokenizer : public testing::TestWithParam<std::string> {
 protected:
  const nlohmann::json& expected() const { return Golden()["tokenizers"][GetParam()]; }
  std::unique_ptr<Tokenizer> tokenizer_ = LoadTokenizerFile(FileOf(GetParam()));
};

TEST_P(GoldenTokenizer, GivesTheIdsOfTheReferenceWhenSpecialTextIsOrdinary) {
  const auto texts = Texts();
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer_->Encode(texts[i]), expected()["plain"][i].get<std::vector<TokenId>>()) << texts[i];
  }
}

TEST_P(GoldenTokenizer, GivesTheIdsOfTheReferenceWithSpecialTokensAndTemplate) {
  const auto texts = Texts();
  ASSERT_FALSE(expected()["parsed"].empty());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto key = std::to_string(i);
    const auto& ids = expected()["parsed"].contains(key) ? expected()["parsed"][key] : expected()["plain"][i];
    EXPECT_EQ(tokenizer_->Encode(texts[i], {.parse_special = true, .add_special = true}),
              ids.get<std::vector<TokenId>>())
        << texts[i];
  }
}

TEST_P(GoldenTokenizer, DecodesAsTheReferenceDoesOrLosesNothing) {
  const auto texts = Texts();
  const bool loses_text = GetParam() == "minilm" || GetParam() == "qwen2";
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto decoded = tokenizer_->Decode(tokenizer_->Encode(texts[i]));
    if (!loses_text) {
      EXPECT_EQ(decoded, texts[i]);
    }
    if (GetParam() == "minilm") {
      EXPECT_EQ(decoded, expected()["decoded"][i].get<std::string>());
    }
  }
}

TEST_P(GoldenTokenizer, TakesWordsOfAMillionCharacters) {
  for (const auto& [name, word] : LongWords()) {
    EXPECT_EQ(Fold(tokenizer_->Encode(word)), expected()["long"][name].get<std::string>()) << name;
  }
}

TEST_P(GoldenTokenizer, GivesTheSameIdsOnManyThreadsAtOnce) {
  const auto texts = Texts();
  std::vector<std::string_view> many;
  for (int repeat = 0; repeat < 20; ++repeat) many.insert(many.end(), texts.begin(), texts.end());
  ThreadPool pool(4);
  const auto batch = EncodeBatch(*tokenizer_, many, {}, pool);
  ASSERT_EQ(batch.size(), many.size());
  for (size_t i = 0; i < many.size(); ++i) {
    ASSERT_EQ(batch[i], expected()["plain"][i % texts.size()].get<std::vector<TokenId>>());
  }
}

TEST_P(GoldenTokenizer, AppendsToTheIdsThatAreThere) {
  std::vector<TokenId> ids = {7};
  tokenizer_->Encode("Hello, world!", {}, ids);
  auto expected_ids = tokenizer_->Encode("Hello, world!");
  expected_ids.insert(expected_ids.begin(), 7);
  EXPECT_EQ(ids, expected_ids);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTokenizer, testing::Values("gpt2", "smollm", "llama3", "qwen2", "minilm"),
                         [](const auto& info) { return info.param; });

TEST(GoldenTokenizers, ByteLevelBpeGivesInvalidUtf8Back) {
  for (const auto* name : {"gpt2", "smollm", "llama3", "qwen2"}) {
    const auto tokenizer = LoadTokenizerFile(FileOf(name));
    for (const auto& bytes : Golden()["invalid"]) {
      std::string text;
      for (const auto& byte : bytes) text.push_back(static_cast<char>(byte.get<int>()));
      EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text) << name;
    }
  }
}

TEST(GoldenTokenizers, WordPieceDropsInvalidUtf8AsItDropsReplacementCharacters) {
  const auto tokenizer = LoadTokenizerFile(FileOf("minilm"));
  EXPECT_EQ(tokenizer->Encode("caf\xE9 \xED\xA0\x80 au lait\xF0\x9F"), tokenizer->Encode("caf au lait"));
}

TEST(GoldenTokenizers, FingerprintsTellTokenizersApartAndStayTheSame) {
  std::map<std::string, std::string> names;
  for (const auto* name : {"gpt2", "smollm", "llama3", "qwen2", "minilm"}) {
    const auto fingerprint = LoadTokenizerFile(FileOf(name))->fingerprint();
    EXPECT_EQ(fingerprint, LoadTokenizerFile(FileOf(name))->fingerprint());
    EXPECT_TRUE(names.emplace(fingerprint, name).second) << name;
  }
}

}  // namespace
}  // namespace retro
