#include "datasets/sentencepiece_tokenizer.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "datasets/train_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

const std::string kText =
    "the quick brown fox jumps over the lazy dog\nwhile the slow green turtle walks under the bridge\n"
    "nothing is quicker than the fox and nobody is slower than the turtle\n";

std::function<bool(std::string&)> Repeat(const std::string& text, int times) {
  return [text, times](std::string& out) mutable {
    if (times-- == 0) return false;
    out = text;
    return true;
  };
}

class SentencePieceModel : public testing::TestWithParam<SentencePieceTraining::Model> {
 protected:
  std::unique_ptr<Tokenizer> Train(SentencePieceTraining options = {}) {
    options.model = GetParam();
    options.vocab_size = 330;
    TrainSentencePiece(Repeat(kText, 5), options, folder_ / "t.model");
    return LoadTokenizerFile(folder_ / "t.model");
  }
  TempDir folder_;
};

TEST_P(SentencePieceModel, GivesTextBackWhateverItsCharacters) {
  const auto tokenizer = Train();
  EXPECT_EQ(tokenizer->kind(), "sentencepiece");
  for (const std::string text :
       {"the fox", "  two  spaces ", "caf\u00E9 \u4E16\u754C \U0001F600", "tab\tand\nline", ""}) {
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
  }
}

TEST_P(SentencePieceModel, IsTheSameWhenTrainedTwice) {
  const auto first = Train()->fingerprint();
  EXPECT_EQ(Train()->fingerprint(), first);
}

TEST_P(SentencePieceModel, ControlTokensComeFromTextOnlyWhenParsed) {
  const auto tokenizer = Train({.control_tokens = {"<|user|>", "a,\"b"}});
  const auto user = tokenizer->Find("<|user|>");
  ASSERT_TRUE(user && tokenizer->Find("a,\"b"));
  EXPECT_TRUE(tokenizer->IsSpecial(*user));
  const auto plain = tokenizer->Encode("<|user|>");
  EXPECT_EQ(std::count(plain.begin(), plain.end(), *user), 0);
  EXPECT_EQ(tokenizer->Encode("<|user|>", {.parse_special = true}), std::vector<TokenId>{*user});
}

TEST_P(SentencePieceModel, SpecialIdsAreAddedOnRequest) {
  const auto tokenizer = Train();
  ASSERT_TRUE(tokenizer->special().bos);
  const auto ids = tokenizer->Encode("the fox", {.add_special = true});
  EXPECT_EQ(ids.front(), *tokenizer->special().bos);
  EXPECT_EQ(tokenizer->Decode(ids, {.skip_special = true}), "the fox");
}

TEST_P(SentencePieceModel, InvalidUtf8BecomesReplacementCharacters) {
  const auto tokenizer = Train();
  EXPECT_EQ(tokenizer->Encode("fox \xFF\xED\xA0"), tokenizer->Encode("fox \uFFFD\uFFFD\uFFFD"));
}

TEST_P(SentencePieceModel, IdsOutsideTheVocabularyAreRefused) {
  const auto tokenizer = Train();
  const auto size = static_cast<TokenId>(tokenizer->vocab_size());
  for (const TokenId id : {-1, size, INT32_MAX}) {
    EXPECT_ERROR(tokenizer->Decode(std::vector<TokenId>{id}), ErrorCode::kInvalidArgument, std::to_string(id));
    EXPECT_ERROR(tokenizer->Spelling(id), ErrorCode::kInvalidArgument, std::to_string(id));
    EXPECT_FALSE(tokenizer->IsSpecial(id));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SentencePieceModel,
                         testing::Values(SentencePieceTraining::Model::kUnigram, SentencePieceTraining::Model::kBpe),
                         [](const auto& info) {
                           return info.param == SentencePieceTraining::Model::kBpe ? "Bpe" : "Unigram";
                         });

TEST(LoadSentencePiece, DamagedFilesAreRefusedOrLoadWithoutACrash) {
  const TempDir folder;
  TrainSentencePiece(Repeat(kText, 5), {.vocab_size = 330}, folder / "t.model");
  const std::string model = ReadFile(folder / "t.model");
  WriteFileAtomically(folder / "cut.model", model.substr(0, model.size() / 2));
  EXPECT_ERROR(LoadSentencePiece(folder / "cut.model"), ErrorCode::kCorruption,
               "cut.model is not a sentencepiece model");
  WriteFileAtomically(folder / "empty.model", "");
  EXPECT_ERROR(LoadSentencePiece(folder / "empty.model"), ErrorCode::kCorruption, "empty.model");
}

TEST(TrainSentencePiece, NeedsTextAndSensibleOptions) {
  const TempDir folder;
  const auto out = folder / "t.model";
  EXPECT_ERROR(TrainSentencePiece(Repeat("", 3), {}, out), ErrorCode::kInvalidArgument, "no text");
  EXPECT_ERROR(TrainSentencePiece(Repeat(kText, 1), {.vocab_size = 2}, out), ErrorCode::kInvalidArgument, "not 2");
  EXPECT_ERROR(TrainSentencePiece(Repeat(kText, 1), {.character_coverage = 0.5}, out), ErrorCode::kInvalidArgument,
               "0.5");
  EXPECT_ERROR(TrainSentencePiece(Repeat(kText, 1), {.num_threads = 0}, out), ErrorCode::kInvalidArgument, "threads");
  EXPECT_ERROR(TrainSentencePiece(Repeat(kText, 1), {.vocab_size = 40}, out), ErrorCode::kInvalidArgument,
               "training failed");
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(TrainSentencePiece, PassesOnWhatTheSourceThrows) {
  const TempDir folder;
  int calls = 0;
  const auto source = [&](std::string& text) -> bool {
    if (++calls > 2) Throw(ErrorCode::kIo, "the disk is gone");
    text = kText;
    return true;
  };
  EXPECT_ERROR(TrainSentencePiece(source, {.vocab_size = 330}, folder / "t.model"), ErrorCode::kIo, "the disk is gone");
  EXPECT_FALSE(std::filesystem::exists(folder / "t.model"));
}

TEST(TrainSentencePiece, CutsLongLinesInsteadOfLeavingThemOut) {
  const TempDir folder;
  std::string line;
  for (int i = 0; i < 200; ++i) line += i % 2 == 0 ? "caf\u00E9 " : "\u4E16\u754C\u4E16\u754C\u4E16\u754C\u4E16\u754C";
  TrainSentencePiece(Repeat(line, 3), {.vocab_size = 280, .character_coverage = 1, .max_line_bytes = 20},
                     folder / "t.model");
  const auto tokenizer = LoadSentencePiece(folder / "t.model");
  EXPECT_TRUE(tokenizer->Find("\u4E16") || tokenizer->Find("\u4E16\u754C"));
}

}  // namespace
}  // namespace retro
