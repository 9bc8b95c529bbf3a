#include "datasets/byte_level_bpe.h"

#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

// a b c Ġ ab abc <x>
ByteLevelBpeModel SmallModel() {
  ByteLevelBpeModel model;
  model.tokens = {"a", "b", "c", "\u0120", "ab", "abc", "<x>"};
  model.merges = {"a b", "ab c"};
  model.added = {{.id = 6, .content = "<x>", .special = true}};
  return model;
}

TEST(ByteLevelBpe, MergesByRank) {
  const auto tokenizer = MakeByteLevelBpe(SmallModel(), "test");
  EXPECT_EQ(tokenizer->Encode("abc ab"), (std::vector<TokenId>{5, 3, 4}));
  EXPECT_EQ(tokenizer->Decode(std::vector<TokenId>{5, 3, 4}), "abc ab");
}

TEST(ByteLevelBpe, BytesWithoutTokensAreLeftOutOrUnknown) {
  auto model = SmallModel();
  EXPECT_EQ(MakeByteLevelBpe(model, "test")->Encode("azzb"), (std::vector<TokenId>{4}));
  model.special.unk = 6;
  EXPECT_EQ(MakeByteLevelBpe(model, "test")->Encode("azzb"), (std::vector<TokenId>{0, 6, 6, 1}));
  model.fuse_unknown = true;
  EXPECT_EQ(MakeByteLevelBpe(model, "test")->Encode("azzb"), (std::vector<TokenId>{0, 6, 1}));
}

TEST(ByteLevelBpe, AddsAPrefixSpaceOnceAndTheTemplateOnRequest) {
  auto model = SmallModel();
  model.add_prefix_space = true;
  model.prefix = {6};
  model.suffix = {6, 6};
  const auto tokenizer = MakeByteLevelBpe(model, "test");
  EXPECT_EQ(tokenizer->Encode("a"), (std::vector<TokenId>{3, 0}));
  EXPECT_EQ(tokenizer->Encode(" a"), (std::vector<TokenId>{3, 0}));
  EXPECT_EQ(tokenizer->Encode("a", {.add_special = true}), (std::vector<TokenId>{6, 3, 0, 6, 6}));
}

TEST(ByteLevelBpe, WholeWordsComeFirstWhenMergesAreIgnored) {
  auto model = SmallModel();
  model.merges = {"a b"};
  EXPECT_EQ(MakeByteLevelBpe(model, "test")->Encode("abc"), (std::vector<TokenId>{4, 2}));
  model.ignore_merges = true;
  EXPECT_EQ(MakeByteLevelBpe(model, "test")->Encode("abc"), (std::vector<TokenId>{5}));
}

TEST(ByteLevelBpe, SpecialTokensAreSkippedOnRequest) {
  const auto tokenizer = MakeByteLevelBpe(SmallModel(), "test");
  const std::vector<TokenId> ids = {6, 5, 6};
  EXPECT_EQ(tokenizer->Decode(ids), "<x>abc<x>");
  EXPECT_EQ(tokenizer->Decode(ids, {.skip_special = true}), "abc");
  EXPECT_TRUE(tokenizer->IsSpecial(6));
  EXPECT_FALSE(tokenizer->IsSpecial(5));
  EXPECT_FALSE(tokenizer->IsSpecial(-1));
  EXPECT_FALSE(tokenizer->IsSpecial(7));
}

TEST(ByteLevelBpe, IdsOutsideTheVocabularyOrInItsHolesAreRefused) {
  auto model = SmallModel();
  model.tokens.resize(9);
  model.tokens[8] = "bc";
  const auto tokenizer = MakeByteLevelBpe(model, "test");
  EXPECT_EQ(tokenizer->vocab_size(), 9u);
  for (const TokenId id : {-1, 7, 9, INT32_MAX}) {
    EXPECT_ERROR(tokenizer->Decode(std::vector<TokenId>{id}), ErrorCode::kInvalidArgument, std::to_string(id));
    EXPECT_ERROR(tokenizer->Spelling(id), ErrorCode::kInvalidArgument, std::to_string(id));
  }
  EXPECT_EQ(tokenizer->Find("bc"), 8);
  EXPECT_EQ(tokenizer->Find("cb"), std::nullopt);
  EXPECT_EQ(tokenizer->Find(""), std::nullopt);
}

TEST(ByteLevelBpe, MergesThatCannotBeAreNamed) {
  auto model = SmallModel();
  model.merges = {"a b", "a z"};
  EXPECT_ERROR(MakeByteLevelBpe(model, "file.json"), ErrorCode::kCorruption, "file.json: merge 1 (\"a z\")");
  model.merges = {"b c"};
  EXPECT_ERROR(MakeByteLevelBpe(model, "file.json"), ErrorCode::kCorruption, "needs the token \"bc\"");
  for (const auto* merge : {"", " ", "a", "a ", " b"}) {
    model.merges = {merge};
    EXPECT_ERROR(MakeByteLevelBpe(model, "file.json"), ErrorCode::kCorruption, "merge 0");
  }
}

TEST(ByteLevelBpe, SpecialIdsOutsideTheVocabularyAreNamed) {
  auto model = SmallModel();
  model.added.push_back({.id = 70, .content = "<y>"});
  EXPECT_ERROR(MakeByteLevelBpe(model, "f"), ErrorCode::kCorruption, "added token \"<y>\" has id 70");
  model = SmallModel();
  model.special.eos = -3;
  EXPECT_ERROR(MakeByteLevelBpe(model, "f"), ErrorCode::kCorruption, "the eos token has id -3");
  model = SmallModel();
  model.suffix = {99};
  EXPECT_ERROR(MakeByteLevelBpe(model, "f"), ErrorCode::kCorruption, "template has id 99");
  EXPECT_ERROR(MakeByteLevelBpe({}, "f"), ErrorCode::kCorruption, "no tokens");
}

TEST(ByteLevelBpe, FingerprintFollowsEverySetting) {
  const auto of = [](const ByteLevelBpeModel& model) { return MakeByteLevelBpe(model, "test")->fingerprint(); };
  const auto base = of(SmallModel());
  auto model = SmallModel();
  model.pre_tokenizer = PreTokenizerKind::kLlama3;
  EXPECT_NE(of(model), base);
  model = SmallModel();
  model.merges.pop_back();
  EXPECT_NE(of(model), base);
  model = SmallModel();
  model.added[0].special = false;
  EXPECT_NE(of(model), base);
  model = SmallModel();
  model.prefix = {6};
  EXPECT_NE(of(model), base);
  EXPECT_EQ(of(SmallModel()), base);
}

TEST(ByteLevelSpelling, IsReversibleForEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    EXPECT_EQ(BytesOfByteLevelSpelling(ByteLevelSpelling(bytes)), bytes);
  }
  EXPECT_EQ(ByteLevelSpelling(" the"), "\u0120the");
  EXPECT_EQ(BytesOfByteLevelSpelling("\u4E16"), std::nullopt);
  EXPECT_EQ(BytesOfByteLevelSpelling(" "), std::nullopt);
}

}  // namespace
}  // namespace retro
