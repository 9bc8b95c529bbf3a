#include "retriever/embedder.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "datasets/tokenizer.h"
#include "model/text_encoder.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

// Token i is byte i; 256 is [CLS], 257 is [SEP].
class FramingTokenizer final : public Tokenizer {
 public:
  static constexpr TokenId kCls = 256, kSep = 257;

  FramingTokenizer() {
    special_.cls = kCls;
    special_.sep = kSep;
  }
  using Tokenizer::Decode;
  using Tokenizer::Encode;
  void Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const override {
    if (options.add_special) ids.push_back(kCls);
    for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
    if (options.add_special) ids.push_back(kSep);
  }
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions&) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (id < 256) text.push_back(static_cast<char>(id));
    }
    return text;
  }
  size_t vocab_size() const override { return 258; }
  const SpecialTokens& special() const override { return special_; }
  bool IsSpecial(TokenId id) const override { return id >= 256; }
  std::optional<TokenId> Find(std::string_view) const override { return std::nullopt; }
  std::string_view Spelling(TokenId) const override { return ""; }
  std::string_view kind() const override { return "bytes"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  std::string fingerprint_ = "bytes";
  SpecialTokens special_;
};

// The embedding of a sequence is the normalized count of its tokens modulo dim. Remembers what it was given.
class CountingEncoder : public TextEncoder {
 public:
  explicit CountingEncoder(int64_t dim = 16, int64_t max_len = 32, std::string fingerprint = "counts")
      : dim_(dim), max_len_(max_len), fingerprint_(std::move(fingerprint)) {}
  int64_t dim() const override { return dim_; }
  int64_t max_len() const override { return max_len_; }
  int64_t vocab_size() const override { return 258; }
  const std::string& fingerprint() const override { return fingerprint_; }
  void Embed(std::span<const std::span<const TokenId>> sequences, std::span<float> out, ThreadPool&) const override {
    for (size_t i = 0; i < sequences.size(); ++i) {
      seen_.emplace_back(sequences[i].begin(), sequences[i].end());
      float* row = out.data() + i * dim_;
      std::fill_n(row, dim_, 0.0f);
      for (const TokenId token : sequences[i]) row[token % dim_] += 1;
      float squares = 0;
      for (int64_t j = 0; j < dim_; ++j) squares += row[j] * row[j];
      for (int64_t j = 0; j < dim_; ++j) row[j] /= std::sqrt(squares);
    }
  }
  const std::vector<std::vector<TokenId>>& seen() const { return seen_; }

 private:
  int64_t dim_, max_len_;
  std::string fingerprint_;
  mutable std::vector<std::vector<TokenId>> seen_;
};

class EmbedderTest : public testing::Test {
 protected:
  std::vector<float> Embed(const std::vector<std::string_view>& texts) {
    std::vector<float> rows(texts.size() * embedder_.dim());
    embedder_.Embed(texts, rows, pool_);
    return rows;
  }

  ThreadPool pool_{2};
  std::shared_ptr<const CountingEncoder> encoder_ = std::make_shared<CountingEncoder>();
  Embedder embedder_{encoder_, std::make_shared<FramingTokenizer>()};
};

TEST_F(EmbedderTest, RowsComeInTheOrderOfTheTexts) {
  const std::vector<std::string_view> texts = {"a longer text", "b", "cc", "b", "dddd"};
  const auto together = Embed(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto alone = Embed({texts[i]});
    for (int64_t j = 0; j < embedder_.dim(); ++j) EXPECT_EQ(alone[j], together[i * embedder_.dim() + j]) << texts[i];
  }
}

TEST_F(EmbedderTest, TheEncoderSeesTextsSortedByLength) {
  Embed({"four", "1", "three", ""});
  std::vector<size_t> lengths;
  for (const auto& sequence : encoder_->seen()) lengths.push_back(sequence.size());
  EXPECT_EQ(lengths, (std::vector<size_t>{2, 3, 6, 7}));
}

TEST_F(EmbedderTest, ALongTextLosesItsEndAndKeepsTheClosingToken) {
  const std::string text(100, 'x');
  Embed({text});
  std::vector<TokenId> expected(32, 'x');
  expected.front() = FramingTokenizer::kCls;
  expected.back() = FramingTokenizer::kSep;
  EXPECT_EQ(encoder_->seen()[0], expected);
}

TEST_F(EmbedderTest, ATextThatJustFitsIsNotCut) {
  const std::string text(30, 'x');
  Embed({text});
  EXPECT_EQ(encoder_->seen()[0].size(), 32u);
  EXPECT_EQ(encoder_->seen()[0][30], 'x');
}

TEST_F(EmbedderTest, AnEmptyTextIsItsSpecialTokensAlone) {
  Embed({""});
  EXPECT_EQ(encoder_->seen()[0], (std::vector<TokenId>{FramingTokenizer::kCls, FramingTokenizer::kSep}));
}

TEST_F(EmbedderTest, NoTextsGiveNoRows) { EXPECT_TRUE(Embed({}).empty()); }

TEST_F(EmbedderTest, FingerprintChangesWithTheEncoder) {
  const auto tokenizer = std::make_shared<FramingTokenizer>();
  const Embedder same(std::make_shared<CountingEncoder>(), tokenizer);
  const Embedder other(std::make_shared<CountingEncoder>(16, 32, "other weights"), tokenizer);
  EXPECT_EQ(same.fingerprint(), embedder_.fingerprint());
  EXPECT_NE(other.fingerprint(), embedder_.fingerprint());
}

TEST_F(EmbedderTest, RefusesATokenizerLargerThanTheEncoder) {
  class SmallEncoder final : public CountingEncoder {
   public:
    int64_t vocab_size() const override { return 200; }
  };
  EXPECT_ERROR(Embedder(std::make_shared<SmallEncoder>(), std::make_shared<FramingTokenizer>()),
               ErrorCode::kInvalidArgument, "258 entries, the encoder embeds 200");
}

}  // namespace
}  // namespace retro
