#include "datasets/wordpiece.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr const char* kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##able\nable\n.\nA\nis\n##s\n\u4E16\ndo\nnot\na\n";

class WordPieceFile : public testing::Test {
 protected:
  WordPieceFile() { WriteFileAtomically(folder_ / "vocab.txt", kVocabulary); }
  std::unique_ptr<Tokenizer> Load() { return LoadTokenizerFile(folder_.path()); }
  TempDir folder_;
};

TEST_F(WordPieceFile, SpellsWordsWithTheLongestPieces) {
  EXPECT_EQ(Load()->Encode("Unable ables.", {.add_special = true}), (std::vector<TokenId>{2, 4, 5, 6, 10, 7, 3}));
}

TEST_F(WordPieceFile, AWordThatCannotBeSpelledIsOneUnknown) {
  EXPECT_EQ(Load()->Encode("unx un"), (std::vector<TokenId>{1, 4}));
  EXPECT_EQ(Load()->Encode(std::string(101, 'a')), (std::vector<TokenId>{1}));
}

TEST_F(WordPieceFile, IdeographsAreWordsOfTheirOwn) {
  EXPECT_EQ(Load()->Encode("un\u4E16able"), (std::vector<TokenId>{4, 11, 6}));
}

TEST_F(WordPieceFile, KeepsTheCaseWhenTheConfigurationSaysSo) {
  EXPECT_EQ(Load()->Encode("A"), (std::vector<TokenId>{14}));
  WriteFileAtomically(folder_ / "tokenizer_config.json", R"({"do_lower_case": false, "cls_token": {"content": "un"}})");
  const auto tokenizer = Load();
  EXPECT_EQ(tokenizer->Encode("A"), (std::vector<TokenId>{8}));
  EXPECT_EQ(tokenizer->special().cls, 4);
}

TEST_F(WordPieceFile, DecodesWithoutSpacesBeforePiecesAndPunctuation) {
  const auto tokenizer = Load();
  EXPECT_EQ(tokenizer->Decode(std::vector<TokenId>{2, 4, 5, 9, 7, 3}), "[CLS] unable is. [SEP]");
  EXPECT_EQ(tokenizer->Decode(std::vector<TokenId>{2, 4, 5, 7, 3}, {.skip_special = true}), "unable.");
}

TEST_F(WordPieceFile, IdsOutsideTheVocabularyAreRefused) {
  EXPECT_ERROR(Load()->Decode(std::vector<TokenId>{15}), ErrorCode::kInvalidArgument, "token id 15");
}

TEST_F(WordPieceFile, BadConfigurationIsNamed) {
  WriteFileAtomically(folder_ / "tokenizer_config.json", R"({"do_lower_case": 1})");
  EXPECT_ERROR(Load(), ErrorCode::kCorruption, "do_lower_case must be true or false");
}

TEST_F(WordPieceFile, NeedsAnUnknownTokenAndUtf8) {
  WriteFileAtomically(folder_ / "vocab.txt", "a\nb\n");
  EXPECT_ERROR(Load(), ErrorCode::kCorruption, "needs an unknown token");
  WriteFileAtomically(folder_ / "vocab.txt", "");
  EXPECT_ERROR(Load(), ErrorCode::kCorruption, "no tokens");
  WriteFileAtomically(folder_ / "vocab.txt", "[UNK]\n\xFF\n");
  EXPECT_ERROR(Load(), ErrorCode::kCorruption, "not UTF-8");
}

TEST(WordPiece, TheVocabularyFileAndTheJsonFileOfAModelGiveTheSameIds) {
  const auto folder = std::filesystem::path(RETRO_DEPS_DIR) / "models/all-MiniLM-L6-v2";
  const auto from_json = LoadTokenizerFile(folder / "tokenizer.json");
  const auto from_text = LoadTokenizerFile(folder / "vocab.txt");
  const std::string text = "The caf\u00E9 isn't [MASK] far: na\u00EFve \u4F60\u597D, supercalifragilistic!";
  const EncodeOptions options = {.parse_special = true, .add_special = true};
  EXPECT_EQ(from_json->Encode(text, options), from_text->Encode(text, options));
  EXPECT_EQ(from_json->vocab_size(), 30522u);
  EXPECT_EQ(from_text->special().mask, 103);
}

TEST(NormalizeForBert, EachStepCanBeLeftOut) {
  const std::string text = "\u00C9A\t\u4E16\u0130\u0001";
  const auto normalized = [&](const BertNormalization& options) {
    std::string out;
    NormalizeForBert(text, options, out);
    return out;
  };
  EXPECT_EQ(normalized({false, false, false, false}), text);
  EXPECT_EQ(normalized({true, false, false, false}), "\u00C9A \u4E16\u0130");
  EXPECT_EQ(normalized({false, true, false, false}), "\u00C9A\t \u4E16 \u0130\u0001");
  EXPECT_EQ(normalized({false, false, true, false}), "EA\t\u4E16I\u0001");
  EXPECT_EQ(normalized({false, false, false, true}), "\u00E9a\t\u4E16i\u0307\u0001");
  EXPECT_EQ(normalized({}), "ea  \u4E16 i");
}

TEST(NormalizeForBert, LongRunsOfMarksAreSortedAndStripped) {
  std::string text = "a";
  for (int i = 0; i < 100000; ++i) text += i % 2 == 0 ? "\u0327" : "\u0301";
  std::string out;
  NormalizeForBert(text, {}, out);
  EXPECT_EQ(out, "a");
}

}  // namespace
}  // namespace retro
