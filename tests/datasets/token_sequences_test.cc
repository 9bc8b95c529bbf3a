#include "datasets/token_sequences.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/progress.h"
#include "core/thread_pool.h"
#include "tests/testing/byte_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

// A corpus, and its tokens one by one with the document that each is of.
class TokenSequencesTest : public ::testing::Test {
 protected:
  Corpus Build(const std::vector<size_t>& lengths, size_t vocab_size = 257) {
    Progress::SetEnabled(false);
    std::string lines;
    for (size_t i = 0; i < lengths.size(); ++i) {
      std::string text;
      for (size_t j = 0; j < lengths[i]; ++j) {
        text += static_cast<char>('a' + (tokens_.size() * 7 + i) % 26);
        tokens_.push_back(text.back());
        documents_.push_back(i);
      }
      lines += nlohmann::json{{"id", std::to_string(i)}, {"text", text}}.dump() + "\n";
    }
    WriteText(folder_ / "x.jsonl", lines);
    ThreadPool pool(2);
    BuildCorpus({folder_ / "x.jsonl"}, ByteTokenizer(vocab_size), folder_ / "corpus", {.max_shard_tokens = 40}, pool);
    return Corpus(folder_ / "corpus");
  }

  std::vector<TokenId> Expected(size_t begin, size_t count) const {
    return {tokens_.begin() + begin, tokens_.begin() + begin + count};
  }

  TempDir folder_;
  std::vector<TokenId> tokens_;
  std::vector<uint64_t> documents_;
};

const std::vector<size_t> kLengths = {5, 1, 33, 2, 2, 2, 90, 7, 16, 1};  // 159 tokens in several shards

TEST_F(TokenSequencesTest, AreTheDocumentsOneAfterTheOtherCutEverySeqLenTokens) {
  for (const size_t vocab_size : {257, 70'000}) {
    tokens_.clear(), documents_.clear();
    const Corpus corpus = Build(kLengths, vocab_size);
    for (const uint32_t seq_len : {1, 4, 16, 50, 158}) {
      const TokenSequences sequences(corpus, seq_len);
      ASSERT_EQ(sequences.num_sequences(), 158 / seq_len);
      for (uint64_t i = 0; i < sequences.num_sequences(); ++i) {
        std::vector<TokenId> tokens(seq_len + 1);
        sequences.Read(i, tokens);
        EXPECT_EQ(tokens, Expected(i * seq_len, seq_len + 1)) << "sequence " << i << " of " << seq_len;
      }
    }
  }
}

TEST_F(TokenSequencesTest, NameEveryDocumentThatTheyAndTheTokenAfterThemTouch) {
  const Corpus corpus = Build(kLengths);
  for (const uint32_t seq_len : {1, 4, 16, 50, 158}) {
    const TokenSequences sequences(corpus, seq_len);
    for (uint64_t i = 0; i < sequences.num_sequences(); ++i) {
      const DocumentRange range = sequences.Documents(i);
      EXPECT_EQ(range.first.value, documents_[i * seq_len]);
      EXPECT_EQ(range.last.value, documents_[(i + 1) * seq_len]);
    }
  }
}

TEST_F(TokenSequencesTest, AnyRangeCanBeReadToTheLastToken) {
  const Corpus corpus = Build(kLengths);
  const TokenSequences sequences(corpus, 16);
  ASSERT_EQ(sequences.num_tokens(), tokens_.size());
  for (size_t begin = 0; begin < tokens_.size(); ++begin) {
    for (const size_t count : {size_t{0}, size_t{1}, std::min<size_t>(60, tokens_.size() - begin)}) {
      std::vector<TokenId> tokens(count);
      sequences.ReadTokens(begin, tokens);
      EXPECT_EQ(tokens, Expected(begin, count));
    }
  }
}

TEST_F(TokenSequencesTest, ACorpusOfOneTokenMoreThanASequenceIsJustEnough) {
  const Corpus corpus = Build({10});
  EXPECT_EQ(TokenSequences(corpus, 9).num_sequences(), 1u);
  EXPECT_ERROR(TokenSequences(corpus, 10), ErrorCode::kInvalidArgument, "the corpus has 10 tokens");
  EXPECT_ERROR(TokenSequences(corpus, 10), ErrorCode::kInvalidArgument, "need 11");
  EXPECT_ERROR(TokenSequences(corpus, 0), ErrorCode::kInvalidArgument, "seq_len 0");
  EXPECT_ERROR(TokenSequences(corpus, UINT32_MAX), ErrorCode::kInvalidArgument, "need 4294967296");
}

TEST_F(TokenSequencesTest, ADocumentIsNotReadBeyondItsEnd) {
  const Corpus corpus = Build({10, 10});
  std::vector<TokenId> tokens(4);
  corpus.ReadTokens({1}, 6, tokens);
  EXPECT_EQ(tokens, Expected(16, 4));
  EXPECT_ERROR(corpus.ReadTokens({0}, 7, tokens), ErrorCode::kNotFound, "has 10 tokens");
  EXPECT_ERROR(corpus.ReadTokens({0}, 11, {}), ErrorCode::kNotFound, "from 11 on");
  EXPECT_ERROR(corpus.ReadTokens({2}, 0, tokens), ErrorCode::kNotFound, "document 2");
}

}  // namespace
}  // namespace retro
