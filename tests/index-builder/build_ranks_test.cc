// Ranks as real processes under mpirun against one process.
#include "tests/index-builder/build_ranks.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace retro {
namespace {

namespace fs = std::filesystem;

class BuildRanks : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun >/dev/null") != 0) GTEST_SKIP() << "mpirun is not installed";
    test_.Build(test_.folder / "one", kRankOptions);
  }

  // Open MPI leaves memory behind at its end, of which a build with sanitizers would complain.
  int Run(int num_ranks, const std::string& step = "") const {
    const std::string command = fmt::format(
        "env ASAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
        "mpirun --oversubscribe -n {} {} {} {} {} >/dev/null 2>&1",
        num_ranks, BUILD_RANK, test_.input().string(), test_.out().string(),
        step.empty() ? "" : fmt::format("'{}'", step));
    return std::system(command.c_str());
  }

  TestDatabase test_{20, 20};
};

TEST_F(BuildRanks, MakeTheDatabaseOfOneProcess) {
  EXPECT_EQ(Run(3), 0);
  EXPECT_EQ(Contents(test_.out()), Contents(test_.folder / "one"));
}

TEST_F(BuildRanks, WhenOneIsKilledTheJobEndsAndTheNextOneGoesOn) {
  for (const char* step : {"block 9", "code block 5"}) {
    EXPECT_NE(Run(2, step), 0) << step;
    EXPECT_FALSE(fs::exists(test_.out())) << step;
    EXPECT_TRUE(fs::exists(test_.staging() / "blocks")) << step;
  }
  // mpirun returns before the ranks that it killed are gone: until then one of them holds the folder's lock.
  for (int tries = 0; Run(2) != 0; ++tries) ASSERT_LT(tries, 20);
  EXPECT_EQ(Contents(test_.out()), Contents(test_.folder / "one"));
}

}  // namespace
}  // namespace retro
