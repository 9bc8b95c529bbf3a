#include "evaluation/lm_documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "core/file.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "datasets/corpus.h"
#include "tests/testing/byte_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// Two bytes a token where they are equal, so that tokens and bytes differ; with the special tokens that are asked for.
class PairTokenizer final : public Tokenizer {
 public:
  explicit PairTokenizer(SpecialTokens special) : special_(special) {}
  using Tokenizer::Decode;
  using Tokenizer::Encode;
  void Encode(std::string_view text, const EncodeOptions&, std::vector<TokenId>& ids) const override {
    for (size_t i = 0; i < text.size(); ++i) {
      const bool pair = i + 1 < text.size() && text[i] == text[i + 1];
      ids.push_back(static_cast<unsigned char>(text[i]) + (pair ? 256 : 0));
      i += pair;
    }
  }
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions&) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (id < 512) text.append(id < 256 ? 1 : 2, static_cast<char>(id % 256));
    }
    return text;
  }
  size_t vocab_size() const override { return 520; }
  const SpecialTokens& special() const override { return special_; }
  bool IsSpecial(TokenId id) const override { return id >= 512; }
  std::optional<TokenId> Find(std::string_view) const override { return std::nullopt; }
  std::string_view Spelling(TokenId) const override { return ""; }
  std::string_view kind() const override { return "pairs"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  SpecialTokens special_;
  std::string fingerprint_ = "pairs";
};

SpecialTokens Special(std::optional<TokenId> bos, std::optional<TokenId> eos) {
  SpecialTokens special;
  special.bos = bos;
  special.eos = eos;
  return special;
}

class ReadLmDocumentsTest : public testing::Test {
 protected:
  fs::path Write(const std::string& name, const std::string& text) {
    WriteFileAtomically(dir_ / name, text);
    return dir_ / name;
  }
  LmDocuments Read(const Tokenizer& tokenizer, const fs::path& path, LmDocumentOptions options = {}) {
    return ReadLmDocuments({path}, tokenizer, options);
  }

  TempDir dir_;
  const PairTokenizer with_bos_{Special(512, 513)}, with_eos_{Special({}, 513)}, with_none_{Special({}, {})};
};

TEST_F(ReadLmDocumentsTest, CountsBytesAndWordsOfTheTextAndBytesOfEveryChunk) {
  const fs::path file = Write("a.jsonl", R"({"id": "x", "text": "aab cc\n d"})");
  const LmDocuments read = Read(with_bos_, file, {.chunk_len = 3});
  ASSERT_EQ(read.documents.size(), 1u);
  const LmDocument& document = read.documents[0];
  // <bos> aa b | " " cc \n | " " d
  EXPECT_EQ(document.tokens, (std::vector<TokenId>{512, 'a' + 256, 'b', ' ', 'c' + 256, '\n', ' ', 'd'}));
  EXPECT_EQ(document.bytes, 9u);
  EXPECT_EQ(document.words, 3u);
  EXPECT_EQ(document.num_scored(), 7u);
  EXPECT_EQ(document.chunk_bytes, (std::vector<uint64_t>{3, 4, 2}));
  EXPECT_EQ(read.prefix, "bos");
}

TEST_F(ReadLmDocumentsTest, ThePrefixIsBosElseEosElseTheFirstTokenGoesUnscored) {
  const fs::path file = Write("a.jsonl", R"({"id": "x", "text": "aab"})");
  const LmDocuments eos = Read(with_eos_, file), none = Read(with_none_, file);
  EXPECT_EQ(eos.prefix, "eos");
  EXPECT_EQ(eos.documents[0].tokens.front(), 513);
  EXPECT_EQ(none.prefix, "none");
  EXPECT_EQ(none.documents[0].tokens, (std::vector<TokenId>{'a' + 256, 'b'}));
  EXPECT_EQ(none.documents[0].bytes, 1u);
  EXPECT_EQ(none.documents[0].chunk_bytes, (std::vector<uint64_t>{1}));
  EXPECT_EQ(ChunkText(none.documents[0], 0, 64).size(), 2u);
  EXPECT_EQ(ChunkText(eos.documents[0], 0, 64).size(), 2u);  // the prefix is no text
}

TEST_F(ReadLmDocumentsTest, ChunkTextsAreTheWholeDocumentInOrder) {
  const fs::path file = Write("a.jsonl", R"({"id": "x", "text": "abcdefghij"})");
  const LmDocument document = Read(with_bos_, file, {.chunk_len = 4}).documents[0];
  std::vector<TokenId> joined;
  for (size_t u = 0; u < document.num_chunks(); ++u) {
    const auto text = ChunkText(document, u, 4);
    EXPECT_EQ(text.size(), document.chunk_bytes[u]);
    joined.insert(joined.end(), text.begin(), text.end());
  }
  EXPECT_EQ(with_bos_.Decode(joined), "abcdefghij");
}

TEST_F(ReadLmDocumentsTest, ASourceIsTheDocumentsOrItsFiles) {
  Write("one.jsonl", "{\"id\": \"x\", \"text\": \"t\", \"source\": \"wiki\"}\n{\"id\": \"y\", \"text\": \"t\"}\n");
  Write("two.txt", "text");
  std::set<std::string> sources;
  for (const LmDocument& document : Read(with_bos_, dir_.path()).documents) sources.insert(document.source);
  EXPECT_EQ(sources, (std::set<std::string>{"wiki", "one", "two"}));
}

TEST_F(ReadLmDocumentsTest, ASampleDoesNotDependOnTheOrderOfTheInput) {
  std::string forth, back;
  for (int i = 0; i < 50; ++i) {
    const std::string line = fmt::format("{{\"id\": \"{}\", \"text\": \"text {}\"}}\n", i, i);
    forth += line;
    back = line + back;
  }
  const auto ids = [&](const fs::path& file, uint64_t count, uint64_t seed) {
    std::vector<std::string> found;
    for (const auto& document : Read(with_bos_, file, {.max_documents = count, .seed = seed}).documents) {
      found.push_back(document.id);
    }
    return found;
  };
  const fs::path one = Write("one.jsonl", forth), two = Write("two.jsonl", back);
  const auto ten = ids(one, 10, 3), all = ids(one, 0, 3);
  EXPECT_EQ(ten.size(), 10u);
  EXPECT_EQ(ten, ids(two, 10, 3));
  EXPECT_EQ(all.size(), 50u);
  EXPECT_TRUE(std::equal(ten.begin(), ten.end(), all.begin()));
  EXPECT_NE(ten, ids(one, 10, 4));
}

TEST_F(ReadLmDocumentsTest, OfALongDocumentOnlyTheBeginningCountsWhenAsked) {
  const fs::path file = Write("a.jsonl", R"({"id": "x", "text": "aa bb cc dd"})");
  const LmDocuments read = Read(with_bos_, file, {.max_document_tokens = 3});
  EXPECT_EQ(read.num_cut, 1u);
  EXPECT_EQ(read.documents[0].bytes, 5u);
  EXPECT_EQ(read.documents[0].words, 2u);
  EXPECT_EQ(Read(with_bos_, file, {.max_document_tokens = 7}).num_cut, 0u);
}

TEST_F(ReadLmDocumentsTest, DocumentsWithoutATokenToScoreAreCountedAndLeftOut) {
  const fs::path file = Write("a.jsonl", "{\"id\": \"x\", \"text\": \"q\"}\n{\"id\": \"y\", \"text\": \"rs\"}\n");
  const LmDocuments read = Read(with_none_, file);
  EXPECT_EQ(read.num_empty, 1u);
  ASSERT_EQ(read.documents.size(), 1u);
  EXPECT_EQ(read.documents[0].id, "y");
}

TEST_F(ReadLmDocumentsTest, RefusesInputWithoutDocuments) {
  EXPECT_ERROR(Read(with_none_, Write("a.jsonl", "{\"text\": \"q\"}\n")), ErrorCode::kInvalidArgument, "1 empty ones");
  EXPECT_ERROR(Read(with_bos_, Write("b.jsonl", "{\"text\": \"  \"}\n")), ErrorCode::kInvalidArgument, "no document");
  EXPECT_ERROR(Read(with_bos_, dir_ / "nothing.jsonl"), ErrorCode::kNotFound, "nothing.jsonl");
}

TEST_F(ReadLmDocumentsTest, ReadsOnePartOfACorpusFolderWithTheTextOfItsTokens) {
  Progress::SetEnabled(false);
  std::string lines;
  for (int i = 0; i < 40; ++i) lines += fmt::format("{{\"id\": \"src{}/{}\", \"text\": \"text {}\"}}\n", i % 2, i, i);
  ThreadPool pool(1);
  const ByteTokenizer tokenizer;
  BuildCorpus({Write("in.jsonl", lines)}, tokenizer, dir_ / "corpus", {.valid_fraction = 0.5, .append_eos = true},
              pool);
  const LmDocuments read = Read(tokenizer, dir_ / "corpus");
  const Corpus valid(dir_ / "corpus", "valid");
  EXPECT_EQ(read.documents.size(), valid.num_documents());
  const LmDocument& document = read.documents[0];
  EXPECT_EQ(document.source, document.id.substr(0, 4));
  EXPECT_EQ(document.bytes, document.num_scored());  // the end-of-text token is no text
  EXPECT_EQ(document.words, 2u);
  EXPECT_ERROR(Read(with_bos_, dir_ / "corpus"), ErrorCode::kInvalidArgument, "fingerprint is bytes 257");
  EXPECT_ERROR(Read(tokenizer, dir_ / "corpus", {.part = "test"}), ErrorCode::kInvalidArgument, "holds no document");
}

TEST(CountWords, CountsRunsWithoutWhiteSpaceOfAnyKind) {
  EXPECT_EQ(CountWords(""), 0u);
  EXPECT_EQ(CountWords(" \n\t "), 0u);
  EXPECT_EQ(CountWords("one"), 1u);
  EXPECT_EQ(CountWords("  one, two\u00a0three\u2003four\n"), 4u);
}

}  // namespace
}  // namespace retro
