#include "training/token_bytes.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/testing/byte_tokenizer.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

TEST(TokenBytes, OfSpecialTokensAreNone) {
  const std::vector<uint32_t> bytes = TokenBytes(ByteTokenizer(258));
  EXPECT_EQ(std::accumulate(bytes.begin(), bytes.end(), 0u), 256u);
  EXPECT_EQ(bytes[256], 0u);
  EXPECT_EQ(bytes[257], 0u);
}

// The sum over a text's tokens is the text's size, whichever tokenizer cut it, also inside characters.
TEST(TokenBytes, OfATextsTokensSumToTheTextsSize) {
  const std::string text = "The price is 5 €, they said: naïve… 日本語 \n\n  two  blanks\t!";
  for (const char* name : {"gpt2.json", "llama3.json", "qwen2.json", "smollm.json"}) {
    const auto tokenizer = LoadTokenizerFile(GoldenFolder("tokenizers") / name);
    const std::vector<uint32_t> bytes = TokenBytes(*tokenizer);
    size_t sum = 0;
    for (const TokenId id : tokenizer->Encode(text)) sum += bytes[id];
    EXPECT_EQ(sum, text.size()) << name;
  }
}

}  // namespace
}  // namespace retro
