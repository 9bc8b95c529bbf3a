// Ranks as real processes under mpirun against one process.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "core/communicator.h"
#include "model/model_files.h"
#include "tests/training/training_run.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// 8 steps of 2 passes.
struct ParallelRun : TrainingRun {
  ParallelRun() {
    config.optimizer.dropout = 0.1;
    config.data.accumulation = 2;
  }

  struct Outcome {
    int exit_code = 0;
    std::string output;
  };

  // Trains in the same folder as this->Train(), as `num_ranks` processes of `accumulation` passes each.
  Outcome TrainRanks(int num_ranks, int accumulation, const std::string& more = "") const {
    // Open MPI leaves memory behind at its end, of which a build with sanitizers would complain.
    const std::string command = fmt::format(
        "env ASAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
        "mpirun --oversubscribe -n {} {} {} {} {} {} 2>&1",
        num_ranks, TRAIN_RANK, folder.path().string(), config.steps, accumulation, more);
    FILE* pipe = ::popen(command.c_str(), "r");
    Outcome outcome;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) outcome.output += static_cast<char>(c);
    outcome.exit_code = WEXITSTATUS(::pclose(pipe));
    return outcome;
  }
};

// mpirun returns before the ranks that it killed are gone: until then one of them holds the folder's lock.
TrainResult GoOn(ParallelRun& run) {
  for (;;) {
    try {
      return run.Train();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnavailable) throw;
      std::this_thread::yield();
    }
  }
}

class DataParallel : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun >/dev/null") != 0) GTEST_SKIP() << "mpirun is not installed";
  }
};

// The largest difference between the weights of two checkpoints.
double Difference(const fs::path& a, const fs::path& b) {
  const auto one = OpenTensors(a), other = OpenTensors(b);
  double largest = 0;
  for (const std::string& name : one->Names()) {
    const std::vector<float> x = Dequantize(*one->Find(name)), y = Dequantize(*other->Find(name));
    for (size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(double{x[i]} - y[i]));
  }
  return largest;
}

// Adam divides by the gradient's own size, so that a last bit of a tiny gradient can be a visible part of an update.
constexpr double kTolerance = 2e-4;

TEST_F(DataParallel, TwoRanksTrainAsOneWithTwiceTheAccumulation) {
  ParallelRun one;
  one.Train();
  for (const char* option : {"", "zero"}) {
    ParallelRun two;
    const auto outcome = two.TrainRanks(2, 1, option);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
    EXPECT_EQ(outcome.output, "step 8\n");
    EXPECT_LT(Difference(one.Checkpoint(8), two.Checkpoint(8)), kTolerance) << option;
    const auto a = one.Metrics(), b = two.Metrics();
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(a[i].at("tokens"), b[i].at("tokens"));
      EXPECT_NEAR(a[i].at("loss").get<double>(), b[i].at("loss").get<double>(), 1e-5) << i;
      EXPECT_NEAR(a[i].at("grad_norm").get<double>(), b[i].at("grad_norm").get<double>(), 1e-4) << i;
    }
    EXPECT_NEAR(a[8].at("valid").at("off").at("loss").get<double>(),
                b[8].at("valid").at("off").at("loss").get<double>(), 1e-5);
  }
}

TEST_F(DataParallel, ACheckpointGoesOnWithAnotherNumberOfRanks) {
  ParallelRun unbroken, run;
  unbroken.Train();
  run.config.steps = unbroken.config.steps;
  const auto first = run.TrainRanks(2, 1, fmt::format("zero end-at=3:{}", SIGTERM));
  EXPECT_NE(first.exit_code, 0);
  EXPECT_THAT(first.output, testing::HasSubstr("interrupted"));
  EXPECT_TRUE(fs::exists(run.File(3, "manifest.json")));
  int64_t next = 0;
  EXPECT_THROW(run.Train([&](const StepMetrics& metrics) {
    next = next == 0 ? metrics.step : next;
    if (metrics.step == 7) throw std::runtime_error("killed");
  }),
               std::runtime_error);
  EXPECT_EQ(next, 4);
  const auto last = run.TrainRanks(2, 1, "zero");
  EXPECT_EQ(last.output, "step 8\n");
  EXPECT_LT(Difference(unbroken.Checkpoint(8), run.Checkpoint(8)), kTolerance);
}

TEST_F(DataParallel, ARankThatDiesEndsAllAndTheCheckpointBeforeIsGood) {
  ParallelRun run;
  const auto outcome = run.TrainRanks(2, 1, fmt::format("end-at=5:{}", SIGKILL));
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, testing::HasSubstr("signal 9"));
  EXPECT_TRUE(fs::exists(run.File(3, "manifest.json")));
  EXPECT_EQ(GoOn(run).step, 8);
}

// A stopped process is one whose machine hangs: nobody is told.
TEST_F(DataParallel, ARankThatHangsIsNamedAfterTheTimeLimit) {
  ParallelRun run;
  const auto outcome = run.TrainRanks(2, 1, fmt::format("timeout=3 end-at=5:{}", SIGSTOP));
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, testing::HasSubstr("rank 1 did not answer within 3 s"));
  EXPECT_TRUE(fs::exists(run.File(3, "manifest.json")));
  EXPECT_EQ(GoOn(run).step, 8);
}

TEST_F(DataParallel, AnErrorOfRankZeroEndsTheOthers) {
  ParallelRun run;
  WriteText(fs::path(run.config.out) / "thesis.txt", "mine");
  const auto outcome = run.TrainRanks(2, 1);
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, testing::HasSubstr("no training run made"));
}

TEST(ConnectRanks, OfAProcessStartedByHandIsThatProcessAlone) {
  ASSERT_FALSE(LaunchedAsRank());
  const auto ranks = ConnectRanks(1);
  EXPECT_EQ(ranks->rank(), 0);
  EXPECT_EQ(ranks->num_ranks(), 1);
}

}  // namespace
}  // namespace retro
