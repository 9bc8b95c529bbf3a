#include "index-builder/bm25.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "index-builder/neighbour_order.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

using Tokens = std::vector<TokenId>;

std::vector<Tokens> RandomTokens(std::mt19937& random, int count) {
  std::vector<Tokens> documents(count);
  for (Tokens& document : documents) {
    document.resize(random() % 40);
    for (TokenId& token : document) token = static_cast<TokenId>(random() % 10 * (random() % 10));  // uneven
  }
  return documents;
}

TermStatistics Count(const std::vector<Tokens>& documents) {
  TermStatistics terms(100);
  for (const Tokens& document : documents) terms.Add(document);
  return terms;
}

// The formula, term by term of the query as it is written down.
double Plain(const Tokens& query, const Tokens& document, const std::vector<Tokens>& collection) {
  std::map<TokenId, double> documents_with;
  double length = 0;
  for (const Tokens& other : collection) {
    for (const TokenId token : std::set<TokenId>(other.begin(), other.end())) documents_with[token] += 1;
    length += static_cast<double>(other.size());
  }
  const double n = static_cast<double>(collection.size());
  double score = 0;
  for (const TokenId token : query) {
    const double f = static_cast<double>(std::count(document.begin(), document.end(), token));
    const double idf = std::log(1 + (n - documents_with[token] + 0.5) / (documents_with[token] + 0.5));
    score += idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * static_cast<double>(document.size()) / (length / n)));
  }
  return score;
}

TEST(Bm25, IsTheFormula) {
  std::mt19937 random(5);
  const std::vector<Tokens> documents = RandomTokens(random, 60);
  const TermStatistics terms = Count(documents);
  for (const Tokens& query : RandomTokens(random, 20)) {
    const Bm25Query bm25(query, terms);
    for (const Tokens& document : documents) EXPECT_NEAR(bm25.Score(document), Plain(query, document, documents), 1e-9);
  }
}

TEST(Bm25, ByHandForTwoDocuments) {
  const TermStatistics terms = Count({{1, 2, 2}, {1, 3}});
  EXPECT_EQ(terms.num_documents(), 2u);
  EXPECT_EQ(terms.mean_length(), 2.5);
  EXPECT_NEAR(terms.Idf(1), std::log(1.2), 1e-12);  // 1 + 0.5 / 2.5
  EXPECT_NEAR(terms.Idf(2), std::log(2.0), 1e-12);  // 1 + 1.5 / 1.5
  EXPECT_NEAR(terms.Idf(9), std::log(6.0), 1e-12);  // 1 + 2.5 / 0.5
  // |d| / mean = 1.2, so f + 1.2 * (0.25 + 0.9) = 2 + 1.38
  EXPECT_NEAR(Bm25Query(Tokens{2, 9}, terms).Score(Tokens{1, 2, 2}), std::log(2.0) * 2 * 2.2 / 3.38, 1e-12);
}

TEST(Bm25, NothingSharedIsZeroAndStrangeTokensAreRareOnes) {
  const TermStatistics terms = Count({{1, 2, 3}, {400, -7}});
  EXPECT_EQ(Bm25Query(Tokens{5, 6}, terms).Score(Tokens{1, 2}), 0);
  EXPECT_EQ(Bm25Query(Tokens{}, terms).Score(Tokens{1, 2}), 0);
  EXPECT_EQ(Bm25Query(Tokens{1}, terms).Score(Tokens{}), 0);
  EXPECT_EQ(terms.Idf(400), terms.Idf(50));
  const TermStatistics none(10);
  EXPECT_DOUBLE_EQ(Bm25Query(Tokens{1}, none).Score(Tokens{1}), std::log(2.0));  // N = 0
}

TEST(NeighbourOrder, Bm25PutsTheHighestScoreFirstAndKeepsEqualOnesAsTheyCame) {
  std::mt19937 random(7);
  const std::vector<Tokens> documents = RandomTokens(random, 50);
  const TermStatistics terms = Count(documents);
  std::vector<std::span<const TokenId>> spans(documents.begin(), documents.end());
  spans.insert(spans.end(), documents.begin(), documents.end());  // each twice
  const Tokens chunk = documents[7];
  const std::vector<size_t> order = OrderCandidates(NeighbourOrder::kBm25, chunk, spans, terms);
  ASSERT_EQ(std::set<size_t>(order.begin(), order.end()).size(), spans.size());
  const auto score = [&](size_t i) { return Plain(chunk, documents[i % 50], documents); };
  for (size_t i = 1; i < order.size(); ++i) {
    EXPECT_GE(score(order[i - 1]) + 1e-9, score(order[i]));
    const bool equal = order[i - 1] % 50 == order[i] % 50;
    EXPECT_TRUE(!equal || order[i - 1] < order[i]);
  }
  EXPECT_EQ(OrderCandidates(NeighbourOrder::kNone, chunk, std::span(spans).first(3), terms),
            (std::vector<size_t>{0, 1, 2}));
}

TEST(NeighbourOrder, HasThreeNames) {
  for (const char* name : {"none", "exact", "bm25"}) EXPECT_EQ(NeighbourOrderName(ParseNeighbourOrder(name)), name);
  EXPECT_ERROR(ParseNeighbourOrder("BM25"), ErrorCode::kInvalidArgument, "must be none, exact or bm25");
}

}  // namespace
}  // namespace retro
