#include "evaluation/lm_arms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <set>

#include "tests/evaluation/lm_testing.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

using testing::ElementsAre;

std::vector<std::string> Names(const std::vector<LmArm>& arms) {
  std::vector<std::string> names;
  for (const LmArm& arm : arms) names.push_back(arm.name);
  return names;
}

TEST(PlanLmArms, ArmsComeInTheOrderGivenAndSweepsAfterThem) {
  const auto arms = PlanLmArms({"off", "on", "random"}, {2, 8, 1}, {1, 0.3, 0.1});
  EXPECT_THAT(Names(arms), ElementsAre("off", "on", "random", "on k=1", "on k=8", "on db=0.1", "on db=0.3"));
  EXPECT_EQ(arms[0].k, 0);
  EXPECT_EQ(arms[2].k, 2);
  EXPECT_EQ(arms[4].k, 8);
  EXPECT_EQ(arms[5].db_fraction, 0.1);
  EXPECT_EQ(arms[5].k, 2);
}

TEST(PlanLmArms, RefusesWhatCannotBe) {
  EXPECT_ERROR(PlanLmArms({}, {2}, {}), ErrorCode::kInvalidArgument, "no arm");
  EXPECT_ERROR(PlanLmArms({"of"}, {2}, {}), ErrorCode::kInvalidArgument, "unknown arm 'of'");
  EXPECT_ERROR(PlanLmArms({"on", "on"}, {2}, {}), ErrorCode::kInvalidArgument, "given twice");
  EXPECT_ERROR(PlanLmArms({"on"}, {0}, {}), ErrorCode::kInvalidArgument, "k is 0");
  EXPECT_ERROR(PlanLmArms({"off"}, {1, 2}, {}), ErrorCode::kInvalidArgument, "need the arm 'on'");
  EXPECT_ERROR(PlanLmArms({"off"}, {1}, {0.5}), ErrorCode::kInvalidArgument, "need the arm 'on'");
}

TEST(RequireNeighboursPossible, WantsARetroModelAndADatabaseOnlyForArmsWithNeighbours) {
  const auto off = PlanLmArms({"off"}, {2}, {}), both = PlanLmArms({"off", "random"}, {2}, {});
  RequireNeighboursPossible(off, "plain", std::nullopt, false);
  RequireNeighboursPossible(both, "retro", RetroConfig{}, true);
  EXPECT_ERROR(RequireNeighboursPossible(both, "plain", std::nullopt, true), ErrorCode::kInvalidArgument,
               "plain has no \"retro\" section");
  EXPECT_ERROR(RequireNeighboursPossible(both, "retro", RetroConfig{}, false), ErrorCode::kInvalidArgument,
               "'random' needs a database");
}

size_t GroupOf(std::span<const size_t> sizes, size_t element) {
  size_t group = 0;
  while (element >= sizes[group]) element -= sizes[group++];
  return group;
}

TEST(DerangeAcrossGroups, NoElementStaysInItsGroupAndNoneIsTakenTwice) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<size_t> sizes(2 + random() % 8);
    for (size_t& size : sizes) size = random() % 6;
    sizes[0] += 1;
    sizes[1] += 1;
    const size_t total = std::accumulate(sizes.begin(), sizes.end(), size_t{0});
    const auto donors = DerangeAcrossGroups(sizes, trial);
    ASSERT_EQ(donors.size(), total);
    for (size_t i = 0; i < total; ++i) {
      ASSERT_LT(donors[i], total);
      ASSERT_NE(GroupOf(sizes, i), GroupOf(sizes, donors[i])) << trial;
    }
    if (2 * *std::ranges::max_element(sizes) > total) continue;
    EXPECT_EQ(std::set<size_t>(donors.begin(), donors.end()).size(), total) << trial;
  }
}

TEST(DerangeAcrossGroups, DependsOnTheSeedOnly) {
  const std::vector<size_t> sizes(20, 5);
  EXPECT_EQ(DerangeAcrossGroups(sizes, 1), DerangeAcrossGroups(sizes, 1));
  EXPECT_NE(DerangeAcrossGroups(sizes, 1), DerangeAcrossGroups(sizes, 2));
}

// Three documents of three chunks each; the database has 100 chunks, chunk c in document "db<c / 10>", but chunks 0-9
// in document "a", which is evaluated too.
class ChooseLmNeighboursTest : public testing::Test {
 protected:
  ChooseLmNeighboursTest() {
    for (const char* id : {"a", "b", "c"}) documents_.push_back(MakeLmDocument(id, "0123456789", 4));
    for (size_t d = 0; d < 3; ++d) {
      auto& findings = neighbours_.findings.emplace_back(3);
      for (size_t u = 0; u < 3; ++u) {
        // Document a finds chunks 20…, b finds 5 (of a) and 40…, c finds 60…; the smaller database has one each.
        const uint64_t first = 20 * (d + 1) + 3 * u;
        findings[u].by_fraction = {{At(first + 2)}, {At(d == 1 ? 5 : first), At(first + 1), At(first + 2)}};
      }
    }
    neighbours_.findings[2][1].by_fraction[1].resize(1);
  }

  static uint64_t DocumentOf(ChunkId chunk) {
    return DocumentHash(chunk.value < 10 ? "a" : fmt::format("db{}", chunk.value / 10));
  }
  static FoundChunk At(uint64_t chunk) { return {{chunk}, DocumentOf({chunk})}; }

  LmArmNeighbours Choose(const LmArm& arm, uint64_t seed = 0) const {
    return ChooseLmNeighbours(arm, {.documents = documents_,
                                    .neighbours = neighbours_,
                                    .fractions = fractions_,
                                    .num_database_chunks = 100,
                                    .document_of = DocumentOf,
                                    .seed = seed});
  }

  std::vector<LmDocument> documents_;
  LmNeighbours neighbours_;
  std::vector<double> fractions_ = {0.5, 1.0};
};

TEST_F(ChooseLmNeighboursTest, OffHasNoneAndOnTheFirstKOfItsFraction) {
  EXPECT_TRUE(Choose({.name = "off"})[1][2].empty());
  const auto on = Choose({"on", LmArmKind::kOn, 2, 1.0});
  EXPECT_THAT(on[0][1], ElementsAre(ChunkId{23}, ChunkId{24}));
  EXPECT_THAT(on[2][1], ElementsAre(ChunkId{63}));
  EXPECT_THAT(Choose({"on", LmArmKind::kOn, 1, 1.0})[0][1], ElementsAre(ChunkId{23}));
  EXPECT_THAT(Choose({"on", LmArmKind::kOn, 2, 0.5})[0][1], ElementsAre(ChunkId{25}));
}

TEST_F(ChooseLmNeighboursTest, RandomGivesAsManyAsOnAllDifferentAndNoneOfTheDocumentItself) {
  const auto on = Choose({"on", LmArmKind::kOn, 3, 1.0});
  std::set<uint64_t> drawn;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const auto random = Choose({"random", LmArmKind::kRandom, 3, 1.0}, seed);
    for (size_t d = 0; d < 3; ++d) {
      for (size_t u = 0; u < 3; ++u) {
        const std::set<ChunkId> different(random[d][u].begin(), random[d][u].end());
        ASSERT_EQ(different.size(), on[d][u].size());
        for (const ChunkId chunk : random[d][u]) {
          ASSERT_LT(chunk.value, 100u);
          ASSERT_TRUE(d != 0 || chunk.value >= 10);
          drawn.insert(chunk.value);
        }
      }
    }
  }
  EXPECT_EQ(drawn.size(), 100u);  // every chunk of the database has its turn
}

TEST_F(ChooseLmNeighboursTest, OtherGivesWhatAnotherDocumentsChunkFoundButNothingOfTheDocumentItself) {
  const auto on = Choose({"on", LmArmKind::kOn, 2, 1.0}), other = Choose({"other", LmArmKind::kOther, 2, 1.0}, 7);
  for (size_t d = 0; d < 3; ++d) {
    for (size_t u = 0; u < 3; ++u) {
      EXPECT_LE(other[d][u].size(), on[d][u].size());
      for (const ChunkId chunk : other[d][u]) {
        EXPECT_TRUE(d != 0 || chunk.value >= 10);
        bool found_elsewhere = false;
        for (size_t e = 0; e < 3; ++e) {
          for (size_t v = 0; v < 3; ++v) {
            found_elsewhere |= e != d && std::ranges::find(on[e][v], chunk) != on[e][v].end();
          }
        }
        EXPECT_TRUE(found_elsewhere) << d << ' ' << u;
      }
    }
  }
}

TEST_F(ChooseLmNeighboursTest, OtherNeedsAnotherDocument) {
  documents_.resize(1);
  EXPECT_ERROR(Choose({"other", LmArmKind::kOther, 2, 1.0}), ErrorCode::kInvalidArgument, "two documents");
}

}  // namespace
}  // namespace retro
