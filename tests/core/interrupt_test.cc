#include "core/interrupt.h"

#include <csignal>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

// Signals go to a child process ("death test"), so that the handlers do not stay in the test program.
TEST(InterruptDeathTest, TheFirstSignalOnlySetsTheFlag) {
  for (const int signal : {SIGINT, SIGTERM}) {
    EXPECT_EXIT(
        {
          InstallInterruptHandler();
          if (Interrupted()) std::_Exit(1);
          std::raise(signal);
          std::_Exit(Interrupted() ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
  }
}

TEST(InterruptDeathTest, TheSecondControlCEndsTheProcess) {
  EXPECT_EXIT(
      {
        InstallInterruptHandler();
        std::raise(SIGINT);
        std::raise(SIGINT);
        std::_Exit(0);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(Interrupt, TheFlagBecomesAnErrorThatSaysHowToGoOn) {
  EXPECT_NO_THROW(ThrowIfInterrupted());
  SetInterrupted(true);
  EXPECT_ERROR(ThrowIfInterrupted(), ErrorCode::kUnavailable, "run the same command again");
  SetInterrupted(false);
  EXPECT_NO_THROW(ThrowIfInterrupted());
}

}  // namespace
}  // namespace retro
