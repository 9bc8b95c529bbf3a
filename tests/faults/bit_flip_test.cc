// One bit of a database's files is wrong: that is found before anything is answered from it. RETRO_BIT_FLIPS says how
// many are tried; which ones depends on their numbers alone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <random>

#include "core/error.h"
#include "index-builder/verify_index.h"
#include "tests/index-builder/updated_database.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

int NumFlips() {
  const char* text = std::getenv("RETRO_BIT_FLIPS");
  return text == nullptr ? 300 : std::atoi(text);
}

void FlipBit(const fs::path& file, uint64_t bit) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(bit / 8));
  const auto byte = static_cast<char>(stream.get() ^ (1 << bit % 8));
  stream.seekp(static_cast<std::streamoff>(bit / 8));
  stream.put(byte);
  stream.close();
  ASSERT_TRUE(stream) << file;
}

// A database with all kinds of files: two parts, an index of codes with kept embeddings, removed documents.
struct FlippedDatabase : UpdatedDatabase {
  FlippedDatabase() {
    BuildFrom(out(), NumberedDocuments(0, 30),
              {.chunk_len = 16, .factory = "IVF4,PQ16x4fs", .keep_embeddings = true, .block_chunks = 32});
    Add(NumberedDocuments(30, 8));
    Remove({.ids = {"doc/3"}, .sources = {}});
    for (const auto& entry : fs::recursive_directory_iterator(out())) {
      if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  }

  // Each file as likely as any other: the small ones say what the large ones mean.
  std::pair<fs::path, uint64_t> Choose(uint64_t number) const {
    std::mt19937_64 random(number);
    const fs::path& file = files[random() % files.size()];
    return {file, random() % (fs::file_size(file) * 8)};
  }

  // What searching finds, with all that is said about it; or why it cannot be.
  std::string Answer() {
    try {
      std::string found;
      for (const auto& row : SearchTexts(*Open(), {.k = 40})) {
        for (const FoundText& text : row) {
          found +=
              text.document + " " + std::to_string(text.position) + " " + std::to_string(text.distance) + text.text;
        }
      }
      return found;
    } catch (const Error& error) {
      return std::string("refused: ") + error.what();
    }
  }

  std::string Verify() {
    try {
      return VerifyIndex(out(), tokenizer, *embedder, {}, pool).at("ok").get<bool>() ? "whole" : "damaged";
    } catch (const Error&) {
      return "damaged";
    }
  }

  std::vector<fs::path> files;
};

TEST(BitFlips, AreFoundBeforeUse) {
  FlippedDatabase test;
  const std::string answer = test.Answer();
  ASSERT_FALSE(answer.starts_with("refused")) << answer;
  ASSERT_EQ(test.Verify(), "whole");
  std::map<std::string, int> unread, harmless;
  for (int number = 0; number < NumFlips(); ++number) {
    const auto [file, bit] = test.Choose(static_cast<uint64_t>(number));
    SCOPED_TRACE("flip " + std::to_string(number) + ": bit " + std::to_string(bit) + " of " + file.string());
    FlipBit(file, bit);
    const std::string now = test.Answer();
    const bool is_refused = now.starts_with("refused");
    if (!is_refused) ++unread[fs::relative(file, test.out())];
    EXPECT_TRUE(is_refused || now == answer) << now;
    if (test.Verify() == "whole") {
      ++harmless[fs::relative(file, test.out())];
      EXPECT_EQ(now, answer);
    }
    FlipBit(file, bit);
    if (::testing::Test::HasFailure()) return;
  }
  std::printf("%d flips over %zu files\n", NumFlips(), test.files.size());
  for (const auto& [file, count] : unread) std::printf("not read by a search: %d in %s\n", count, file.c_str());
  for (const auto& [file, count] : harmless) std::printf("not found by verify: %d in %s\n", count, file.c_str());
  EXPECT_EQ(test.Answer(), answer);
  EXPECT_TRUE(harmless.empty());
}

}  // namespace
}  // namespace retro
