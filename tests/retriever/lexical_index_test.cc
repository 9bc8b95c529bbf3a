#include "retriever/lexical_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "core/hash.h"
#include "retriever/lexical_index_writer.h"
#include "retriever/rank_fusion.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using Texts = std::vector<std::string>;

// Words by Zipf's law, so that some terms have many blocks of postings and some have one posting. Some are empty.
Texts RandomTexts(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform;
  Texts texts(count);
  for (std::string& text : texts) {
    for (size_t left = random() % 40; left > 0; --left) {
      text += "w" + std::to_string(static_cast<int>(std::exp(uniform(random) * 6.5))) + " ";
    }
  }
  return texts;
}

void Write(const std::filesystem::path& folder, std::span<const std::string> texts, size_t memory_bytes = 1 << 20) {
  LexicalIndexWriter writer(folder, memory_bytes);
  for (const std::string& text : texts) writer.Add(LexicalTerms(text));
  writer.Finish();
}

// The definition, over all texts.
std::vector<LexicalHit> SearchByDefinition(const Texts& texts, std::string_view query, size_t k,
                                           const std::function<bool(ChunkId)>& admits = {}) {
  std::vector<std::map<LexicalTerm, int>> counts(texts.size());
  std::map<LexicalTerm, int> frequencies;
  std::vector<double> lengths;
  double total = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto terms = LexicalTerms(texts[i]);
    for (const LexicalTerm term : terms) ++counts[i][term];
    for (const auto& [term, count] : counts[i]) ++frequencies[term];
    lengths.push_back(static_cast<double>(terms.size()));
    total += lengths.back();
  }
  const auto n = static_cast<double>(texts.size());
  std::vector<LexicalHit> hits;
  for (size_t i = 0; i < texts.size(); ++i) {
    double score = 0;
    for (const LexicalTerm term : LexicalTerms(query)) {
      if (!counts[i].contains(term)) continue;
      const double f = counts[i][term], have = frequencies[term];
      score +=
          std::log(1 + (n - have + 0.5) / (have + 0.5)) * f * 1.9 / (f + 0.9 * (0.6 + 0.4 * lengths[i] * n / total));
    }
    if (score > 0 && (!admits || admits({i}))) hits.push_back({{i}, score});
  }
  std::ranges::stable_sort(hits, [](const auto& a, const auto& b) { return a.score > b.score + 1e-12; });
  if (hits.size() > k) hits.resize(k);
  return hits;
}

void ExpectSame(const std::vector<LexicalHit>& found, const std::vector<LexicalHit>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i].score, expected[i].score, 1e-9) << i;
  const auto ids = [](const auto& hits) {
    std::set<uint64_t> set;
    // Of those that score as the last one some may be left out.
    for (const LexicalHit& hit : hits) {
      if (hit.score > hits.back().score + 1e-9) set.insert(hit.chunk.value);
    }
    return set;
  };
  EXPECT_EQ(ids(found), ids(expected));
}

std::vector<LexicalHit> Search(const LexicalIndex& index, std::string_view text, size_t k,
                               const std::function<bool(ChunkId)>& admits = {}) {
  const LexicalIndex* parts[] = {&index};
  return index.Search(LexicalQuery(text, parts), k, admits);
}

class LexicalIndexTest : public ::testing::Test {
 protected:
  TempDir folder_;
};

TEST_F(LexicalIndexTest, FindsWhatTheDefinitionFinds) {
  const Texts texts = RandomTexts(3000, 1);
  Write(folder_.path(), texts);
  const LexicalIndex index(folder_.path());
  EXPECT_EQ(index.num_chunks(), 3000u);
  for (const std::string& query : RandomTexts(40, 2)) {
    const auto expected = SearchByDefinition(texts, query, 100);
    for (const size_t k : {1, 10, 100}) {
      ExpectSame(Search(index, query, k), {expected.begin(), expected.begin() + std::min(k, expected.size())});
    }
  }
  ExpectSame(Search(index, "w1", 5000), SearchByDefinition(texts, "w1", 5000));
}

TEST_F(LexicalIndexTest, AFilterHidesChunksAndNoneOfTheOthers) {
  const Texts texts = RandomTexts(2000, 3);
  Write(folder_.path(), texts);
  const LexicalIndex index(folder_.path());
  const auto admits = [](ChunkId chunk) { return chunk.value % 7 == 3; };
  for (const std::string& query : RandomTexts(20, 4)) {
    ExpectSame(Search(index, query, 15, admits), SearchByDefinition(texts, query, 15, admits));
  }
}

TEST_F(LexicalIndexTest, SeveralPartsScoreAsOne) {
  const Texts texts = RandomTexts(1500, 5);
  Write(folder_ / "one", texts);
  Write(folder_ / "a", std::span(texts).first(400));
  Write(folder_ / "b", std::span(texts).subspan(400));
  const LexicalIndex one(folder_ / "one"), a(folder_ / "a"), b(folder_ / "b");
  const LexicalIndex* parts[] = {&a, &b};
  for (const std::string& text : RandomTexts(20, 6)) {
    const LexicalQuery query(text, parts);
    std::map<uint64_t, double> scores;
    for (const LexicalHit& hit : a.Search(query, 2000)) scores[hit.chunk.value] = hit.score;
    for (const LexicalHit& hit : b.Search(query, 2000)) scores[hit.chunk.value + 400] = hit.score;
    const auto expected = Search(one, text, 2000);
    ASSERT_EQ(scores.size(), expected.size());
    for (const LexicalHit& hit : expected) EXPECT_EQ(scores.at(hit.chunk.value), hit.score);
  }
}

TEST_F(LexicalIndexTest, TheBytesDoNotDependOnTheMemoryThatSortingHas) {
  const Texts texts = RandomTexts(3000, 7);
  Write(folder_ / "much", texts);
  Write(folder_ / "little", texts, 1);  // a dozen runs
  for (const char* name : {"terms", "blocks", "postings", "lengths"}) {
    EXPECT_EQ(HashFile(folder_ / "much" / name), HashFile(folder_ / "little" / name)) << name;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "little"), {}), 4);
}

TEST_F(LexicalIndexTest, AnIndexOfNoWordsFindsNothing) {
  Write(folder_.path(), Texts{"", "the of", ""});
  const LexicalIndex index(folder_.path());
  EXPECT_EQ(index.num_chunks(), 3u);
  EXPECT_EQ(index.num_terms(), 0u);
  EXPECT_TRUE(Search(index, "the words", 5).empty());
}

TEST_F(LexicalIndexTest, EqualScoresComeInTheOrderOfTheChunks) {
  Write(folder_.path(), Texts(300, "same words"));
  const auto hits = Search(LexicalIndex(folder_.path()), "words", 3);
  ASSERT_EQ(hits.size(), 3u);
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(hits[i].chunk.value, i);
}

TEST_F(LexicalIndexTest, DamagedPostingsAreAnErrorAndNoCrash) {
  Write(folder_.path(), RandomTexts(500, 8));
  const std::string good = ReadText(folder_ / "postings");
  std::mt19937 random(9);
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    bad[64 + random() % (bad.size() - 72)] ^= static_cast<char>(1 << random() % 8);
    WriteText(folder_ / "postings", bad);
    const LexicalIndex index(folder_.path());
    try {
      Search(index, "w1 w2 w3 w5 w8 w13 w21", 10);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruption);
    }
  }
  WriteText(folder_ / "postings", good.substr(0, good.size() - 1));
  EXPECT_ERROR(LexicalIndex(folder_.path()), ErrorCode::kCorruption, "postings");
}

TEST(LexicalTerms, CaseAccentsPluralsAndCommonWordsDoNotMatter) {
  EXPECT_EQ(LexicalTerms("The Caf\u00e9s, of CITIES!"), LexicalTerms("cafe city"));
  EXPECT_EQ(LexicalTerms("it's"), LexicalTerms(""));
  EXPECT_NE(LexicalTerms("1984"), LexicalTerms("1985"));
  EXPECT_EQ(LexicalTerms("\u6771\u4eac").size(), 2u);  // ideographs stand alone
}

TEST(LexicalTerms, PluralsAreThoseOfHarmansStemmer) {
  const std::map<std::string, std::string> words = {{"queries", "query"}, {"ties", "ty"},         {"houses", "house"},
                                                    {"shoes", "shoes"},   {"cats", "cat"},        {"virus", "virus"},
                                                    {"glass", "glass"},   {"news", "new"},        {"gas", "gas"},
                                                    {"aeries", "aery"},   {"calories", "calory"}, {"word", "word"}};
  for (const auto& [word, stem] : words) {
    std::string stemmed = word;
    StemPlural(stemmed);
    EXPECT_EQ(stemmed, stem);
  }
}

TEST(RankFusion, SumsTheReciprocalsOfSixtyAndTheRank) {
  // 1/61 + 1/63 for 7; 1/62 + 1/62 for 5; 1/61 for 9; 1/63 for 2.
  const std::vector<std::vector<ChunkId>> rankings = {{{7}, {5}, {2}}, {{9}, {5}, {7}}};
  const auto fused = FuseRankings(rankings, 3);
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_EQ(fused[0].value, 7u);  // 0.032267 against 0.032258
  EXPECT_EQ(fused[1].value, 5u);
  EXPECT_EQ(fused[2].value, 9u);
  EXPECT_TRUE(FuseRankings({}, 3).empty());
}

}  // namespace
}  // namespace retro
