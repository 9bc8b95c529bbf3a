#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "datasets/tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using nlohmann::json;

json BpeFile() {
  return json::parse(R"({
    "added_tokens": [{"id": 4, "content": "<x>", "special": true, "normalized": false}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": {"type": "ByteLevel"},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": ["a b"]}})");
}

json WordPieceFile() {
  return json::parse(R"({
    "added_tokens": [],
    "normalizer": {"type": "BertNormalizer", "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 2]},
    "model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "##b": 4}}})");
}

class TokenizerJson : public testing::Test {
 protected:
  std::unique_ptr<Tokenizer> Load(const json& file) { return LoadText(file.dump()); }
  std::unique_ptr<Tokenizer> LoadText(const std::string& text) {
    WriteFileAtomically(folder_ / "tokenizer.json", text);
    return LoadTokenizerFile(folder_ / "tokenizer.json");
  }
  // Loads the file with the value at `pointer` replaced.
  std::unique_ptr<Tokenizer> LoadWith(json file, const std::string& pointer, const json& value) {
    file[json::json_pointer(pointer)] = value;
    return Load(file);
  }
  TempDir folder_;
};

TEST_F(TokenizerJson, MergesMayBePairsOrJoined) {
  EXPECT_EQ(Load(BpeFile())->Encode("ab a"), (std::vector<TokenId>{2, 3, 0}));
  EXPECT_EQ(LoadWith(BpeFile(), "/model/merges", json::array({json::array({"a", "b"})}))->Encode("ab a"),
            (std::vector<TokenId>{2, 3, 0}));
}

TEST_F(TokenizerJson, AddedTokensExtendTheVocabulary) {
  const auto tokenizer = Load(BpeFile());
  EXPECT_EQ(tokenizer->vocab_size(), 5u);
  EXPECT_EQ(tokenizer->Encode("a<x>b", {.parse_special = true}), (std::vector<TokenId>{0, 4, 1}));
  EXPECT_TRUE(tokenizer->IsSpecial(4));
}

TEST_F(TokenizerJson, BertProcessingMakesTheTemplate) {
  EXPECT_EQ(Load(WordPieceFile())->Encode("AB", {.add_special = true}), (std::vector<TokenId>{1, 3, 4, 2}));
}

TEST_F(TokenizerJson, SpecialTokensComeFromTheConfigurationBesideIt) {
  EXPECT_EQ(Load(BpeFile())->special().eos, std::nullopt);
  WriteFileAtomically(folder_ / "tokenizer_config.json", R"({"eos_token": {"content": "<x>"}, "bos_token": null})");
  const auto tokenizer = Load(BpeFile());
  EXPECT_EQ(tokenizer->special().eos, 4);
  EXPECT_EQ(tokenizer->special().bos, std::nullopt);
}

TEST_F(TokenizerJson, FieldsThatAreWrongAreNamed) {
  const struct {
    const char* pointer;
    json value;
    const char* message;
  } cases[] = {
      {"/model/vocab", 5, "model.vocab must be an object"},
      {"/model/vocab/ab", -2, "model.vocab.ab must be an id from 0 to"},
      {"/model/vocab/ab", 4000000000, "model.vocab.ab must be an id from 0 to"},
      {"/model/vocab/ab", 70000000, "model.vocab.ab must be an id from 0 to"},
      {"/model/vocab/ab", "2", "model.vocab.ab must be an id from 0 to"},
      {"/model/vocab/ab", 2.5, "model.vocab.ab must be an id from 0 to"},
      {"/model/vocab/ab", 1, "gives id 1 to"},
      {"/model/merges", "a b", "model.merges must be a list"},
      {"/model/merges", json::array({7}), "model.merges.0 must be a list"},
      {"/model/merges", {{"a", "b", "c"}}, "model.merges.0 must be two tokens"},
      {"/model/merges", {"a zz"}, "needs the token \"zz\""},
      {"/model/dropout", "much", "model.dropout must be a number"},
      {"/model/unk_token", "<unk>", "model.unk_token (\"<unk>\") is not in the vocabulary"},
      {"/added_tokens", 3, "added_tokens must be a list"},
      {"/added_tokens/0/id", -1, "added_tokens.0.id must be a token id"},
      {"/added_tokens/0/id", 2147483647, "which must be below"},
      {"/added_tokens/0/id", 2, "but that is \"ab\""},
      {"/added_tokens/0/content", "ab", "but model.vocab gives it id 2"},
      {"/added_tokens/0/content", 9, "added_tokens.0.content must be a string"},
      {"/added_tokens/0/special", "yes", "added_tokens.0.special must be true or false"},
      {"/pre_tokenizer/type", 1, "pre_tokenizer.type must be a string"},
      {"/pre_tokenizer", json::array(), "pre_tokenizer must be an object"},
      {"/post_processor", {{"type", "TemplateProcessing"}}, "post_processor has no \"single\""},
      {"/model", nullptr, "the file has no \"model\""},
  };
  for (const auto& c : cases) {
    EXPECT_ERROR(LoadWith(BpeFile(), c.pointer, c.value), ErrorCode::kCorruption, c.message);
    EXPECT_ERROR(LoadWith(BpeFile(), c.pointer, c.value), ErrorCode::kCorruption, "tokenizer.json");
  }
}

TEST_F(TokenizerJson, SettingsThatAreNotSupportedAreNamed) {
  const struct {
    const char* pointer;
    json value;
    const char* message;
  } cases[] = {
      {"/model/type", "Unigram", "model: type Unigram"},
      {"/model/dropout", 0.1, "dropout"},
      {"/model/byte_fallback", true, "model.byte_fallback"},
      {"/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix"},
      {"/normalizer", {{"type", "NFKC"}}, "normalizer: type NFKC"},
      {"/pre_tokenizer", {{"type", "Metaspace"}}, "pre_tokenizer: type Metaspace"},
      {"/pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", "\\d"}}}}, {{"type", "ByteLevel"}, {"add_prefix_space", false}}}}},
       "the pattern \\d"},
      {"/decoder", {{"type", "Metaspace"}}, "decoder: type Metaspace"},
      {"/post_processor", {{"type", "Magic"}}, "post_processor: type Magic"},
  };
  for (const auto& c : cases) {
    EXPECT_ERROR(LoadWith(BpeFile(), c.pointer, c.value), ErrorCode::kInvalidArgument, c.message);
  }
}

TEST_F(TokenizerJson, AFileCutAnywhereIsRefused) {
  for (const auto& file : {BpeFile().dump(), WordPieceFile().dump()}) {
    for (size_t length = 0; length < file.size(); length += 7) {
      EXPECT_ERROR(LoadText(file.substr(0, length)), ErrorCode::kCorruption, "tokenizer.json");
    }
  }
}

TEST_F(TokenizerJson, FlippedBytesNeverCrash) {
  int loaded = 0;
  for (const auto& file : {BpeFile().dump(), WordPieceFile().dump()}) {
    for (size_t at = 0; at < file.size(); ++at) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x11);
      try {
        LoadText(damaged)->Encode("ab <x> text");
        ++loaded;
      } catch (const Error& error) {
        EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
      }
    }
  }
  EXPECT_GT(loaded, 0);
}

TEST_F(TokenizerJson, HolesInTheIdsStayEmpty) {
  const auto tokenizer = LoadWith(BpeFile(), "/model/vocab/ab", 40);
  EXPECT_EQ(tokenizer->vocab_size(), 41u);
  EXPECT_EQ(tokenizer->Encode("ab"), std::vector<TokenId>{40});
  EXPECT_ERROR(tokenizer->Decode(std::vector<TokenId>{20}), ErrorCode::kInvalidArgument, "token id 20");
}

TEST(LoadTokenizerFile, SaysWhatIsMissing) {
  const TempDir folder;
  EXPECT_ERROR(LoadTokenizerFile(folder / "none.json"), ErrorCode::kNotFound, "none.json does not exist");
  EXPECT_ERROR(LoadTokenizerFile(folder.path()), ErrorCode::kNotFound, "holds no tokenizer");
  WriteFileAtomically(folder / "tokenizer.bin", "x");
  EXPECT_ERROR(LoadTokenizerFile(folder / "tokenizer.bin"), ErrorCode::kInvalidArgument, "not a known kind");
}

}  // namespace
}  // namespace retro
