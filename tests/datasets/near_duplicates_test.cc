#include "datasets/near_duplicates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "core/error.h"
#include "core/thread_pool.h"
#include "datasets/shingles.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

std::vector<uint64_t> ClustersOf(const std::vector<std::string>& texts, const NearDuplicateOptions& options = {},
                                 size_t num_threads = 2) {
  ThreadPool pool(num_threads);
  NearDuplicates documents(options);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const size_t half = views.size() / 2;
  documents.Add(std::span(views).first(half), pool);
  documents.Add(std::span(views).subspan(half), pool);
  return documents.Clusters(pool);
}

class RandomTexts {
 public:
  std::string Text(size_t num_words) {
    std::string text;
    for (size_t i = 0; i < num_words; ++i) text += Word() + " ";
    return text;
  }

  // `text` with `count` of its words replaced.
  std::string Edited(const std::string& text, int count) {
    std::vector<std::string> words;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find(' ', at);
      words.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    for (int i = 0; i < count; ++i) words[random_() % words.size()] = Word();
    std::string edited;
    for (const std::string& word : words) edited += word + " ";
    return edited;
  }

  size_t Below(size_t bound) { return random_() % bound; }

 private:
  std::string Word() { return "w" + std::to_string(random_() % 5000); }

  std::mt19937 random_{7};
};

// Originals of 200 words, and after each fifth one a copy of an earlier one with 1 to 8 words replaced.
std::vector<std::string> PlantedTexts(size_t count) {
  RandomTexts random;
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    const bool copies = i % 5 == 4;
    texts.push_back(copies ? random.Edited(texts[random.Below(i)], 1 + static_cast<int>(random.Below(8)))
                           : random.Text(200));
  }
  return texts;
}

std::vector<uint64_t> ShinglesOf(const std::string& text) {
  std::vector<uint64_t> shingles;
  AppendShingles(text, 5, shingles);
  std::sort(shingles.begin(), shingles.end());
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
  return shingles;
}

// For each text the exact similarity to the most similar earlier one.
std::vector<double> BestEarlier(const std::vector<std::string>& texts) {
  std::vector<std::vector<uint64_t>> sets;
  std::vector<double> best;
  for (const std::string& text : texts) {
    const auto set = ShinglesOf(text);
    double similarity = 0;
    for (const auto& earlier : sets) similarity = std::max(similarity, JaccardSimilarity(earlier, set));
    best.push_back(similarity);
    sets.push_back(set);
  }
  return best;
}

TEST(MinHasher, ASignatureHasTheLeastImageOfEachPermutation) {
  std::mt19937 random(3);
  for (const size_t num_permutations : {1, 63, 64, 65, 128, 200}) {
    const MinHasher hasher(num_permutations, 5);
    std::vector<uint32_t> elements(37), least(num_permutations, ~0u), one(num_permutations), all(num_permutations);
    for (uint32_t& element : elements) element = static_cast<uint32_t>(random());
    for (const uint32_t& element : elements) {
      hasher.Sign({&element, 1}, one);
      for (size_t i = 0; i < num_permutations; ++i) least[i] = std::min(least[i], one[i]);
    }
    hasher.Sign(elements, all);
    EXPECT_EQ(all, least) << num_permutations;
  }
}

TEST(MinHasher, AgreementEstimatesTheJaccardSimilarityWithoutBias) {
  std::mt19937 random(11);
  constexpr int kTrials = 400, kPermutations = 128;
  for (const int common : {20, 50, 80, 95}) {
    const MinHasher hasher(kPermutations, 1);
    double sum = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      // 100 elements between them, `common` of them in both.
      std::vector<uint32_t> a, b, signature_a(kPermutations), signature_b(kPermutations);
      for (int i = 0; i < 100; ++i) {
        const auto element = static_cast<uint32_t>(random());
        if (i < common || i % 2 == 0) a.push_back(element);
        if (i < common || i % 2 == 1) b.push_back(element);
      }
      hasher.Sign(a, signature_a);
      hasher.Sign(b, signature_b);
      sum += EstimateSimilarity(signature_a, signature_b);
    }
    const double wanted = common / 100.0;
    const double deviation = std::sqrt(wanted * (1 - wanted) / (kPermutations * kTrials));
    EXPECT_NEAR(sum / kTrials, wanted, 5 * deviation + 0.002);
  }
}

// From datasketch 2.0.0's MinHashLSH with equal weights.
TEST(ChooseLshBands, AgreesWithAnotherImplementation) {
  struct Case {
    double threshold;
    size_t num_permutations, bands, rows;
  };
  const Case cases[] = {{0.3, 16, 8, 2},    {0.3, 128, 37, 3}, {0.5, 64, 14, 4},  {0.5, 256, 42, 6},
                        {0.7, 128, 14, 9},  {0.8, 16, 2, 8},   {0.8, 64, 5, 11},  {0.8, 128, 9, 13},
                        {0.8, 256, 17, 15}, {0.9, 128, 5, 25}, {0.9, 256, 9, 28}, {0.95, 16, 1, 16}};
  for (const Case& c : cases) {
    const LshBands cut = ChooseLshBands(c.threshold, c.num_permutations);
    EXPECT_EQ(cut.bands, c.bands) << c.threshold << ' ' << c.num_permutations;
    EXPECT_EQ(cut.rows, c.rows) << c.threshold << ' ' << c.num_permutations;
  }
}

TEST(NearDuplicates, ClustersAreFoundAndTheirFirstTextNamed) {
  RandomTexts random;
  const std::string a = random.Text(200), b = random.Text(200), c = random.Text(200);
  EXPECT_EQ(ClustersOf({a, b, random.Edited(a, 2), c, random.Edited(b, 2), a}),
            (std::vector<uint64_t>{0, 1, 0, 3, 1, 0}));
}

TEST(NearDuplicates, ASimilarTextOfASimilarTextIsOfTheCluster) {
  RandomTexts random;
  std::vector<std::string> texts = {random.Text(300)};
  for (int i = 0; i < 30; ++i) texts.push_back(random.Edited(texts.back(), 1));
  EXPECT_LT(JaccardSimilarity(ShinglesOf(texts.front()), ShinglesOf(texts.back())), 0.7);
  EXPECT_EQ(ClustersOf(texts), std::vector<uint64_t>(texts.size(), 0));
}

TEST(NearDuplicates, ShortEmptyAndUnicodeTextsAreToldApart) {
  const std::vector<std::string> texts = {
      "", "word", "Word ", "other", "日本語の文です。", "日本語の文です。", " ", "привет мир", "ПРИВЕТ МИР"};
  EXPECT_EQ(ClustersOf(texts), (std::vector<uint64_t>{0, 1, 1, 3, 4, 4, 0, 7, 7}));
}

TEST(NearDuplicates, AVeryLongTextIsFoundInItsEditedCopy) {
  RandomTexts random;
  const std::string text = random.Text(300'000);
  EXPECT_EQ(ClustersOf({text, random.Text(50), random.Edited(text, 500)}), (std::vector<uint64_t>{0, 1, 0}));
}

TEST(NearDuplicates, ManyCopiesCostNoMoreThanOneComparisonEach) {
  RandomTexts random;
  const std::vector<std::string> texts(20'000, random.Text(10));
  EXPECT_EQ(ClustersOf(texts), std::vector<uint64_t>(texts.size(), 0));
}

TEST(NearDuplicates, AsManyAreFoundAsTheBandsPromiseAndNoneFarBelowTheThreshold) {
  const std::vector<std::string> texts = PlantedTexts(500);
  const std::vector<uint64_t> first = ClustersOf(texts);
  const std::vector<double> best = BestEarlier(texts);
  double expected = 0, variance = 0, found = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (best[i] < 0.7) {
      EXPECT_EQ(first[i], i) << best[i];
    }
    if (best[i] < 0.88) continue;  // nearer to the threshold, the estimate may fall below it
    const double chance = 1 - std::pow(1 - std::pow(best[i], 13), 9);
    expected += chance;
    variance += chance * (1 - chance);
    found += first[i] != i ? 1 : 0;
  }
  ASSERT_GT(expected, 20);
  EXPECT_GE(found, expected - 3 * std::sqrt(variance));
}

TEST(NearDuplicates, ExactComparisonDropsNothingBelowTheThreshold) {
  const std::vector<std::string> texts = PlantedTexts(500);
  NearDuplicateOptions options;
  options.exact = true;
  ThreadPool pool(2);
  NearDuplicates documents(options);
  documents.Add(std::vector<std::string_view>(texts.begin(), texts.end()), pool);
  const std::vector<uint64_t> first = documents.Clusters(pool);
  const std::vector<double> best = BestEarlier(texts);
  size_t dropped = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (first[i] == i) continue;
    ++dropped;
    EXPECT_GE(best[i], 0.8);
    EXPECT_DOUBLE_EQ(documents.Similarity(first[i], i),
                     JaccardSimilarity(ShinglesOf(texts[first[i]]), ShinglesOf(texts[i])));
  }
  EXPECT_GT(dropped, 20u);
}

TEST(NearDuplicates, TheNumberOfThreadsChangesNothing) {
  const std::vector<std::string> texts = PlantedTexts(500);
  const std::vector<uint64_t> alone = ClustersOf(texts, {}, 1);
  EXPECT_EQ(ClustersOf(texts, {}, 3), alone);
  EXPECT_EQ(ClustersOf(texts, {}, 8), alone);
}

TEST(NearDuplicates, OptionsOutOfRangeAreRefused) {
  EXPECT_ERROR(NearDuplicates({.threshold = 0}), ErrorCode::kInvalidArgument, "threshold");
  EXPECT_ERROR(NearDuplicates({.threshold = 1.5}), ErrorCode::kInvalidArgument, "threshold");
  EXPECT_ERROR(NearDuplicates({.num_permutations = 0}), ErrorCode::kInvalidArgument, "permutations");
  EXPECT_ERROR(NearDuplicates({.ngram = 0}), ErrorCode::kInvalidArgument, "n-grams");
}

TEST(NearDuplicates, OfNoTextsThereAreNoClusters) { EXPECT_TRUE(ClustersOf({}).empty()); }

}  // namespace
}  // namespace retro
