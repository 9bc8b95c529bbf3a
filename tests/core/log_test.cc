#include "core/log.h"

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

TEST(Log, LinesBeginWithTheProgramAndNameTheLevelUnlessItIsInfo) {
  const auto previous = spdlog::default_logger();
  testing::internal::CaptureStderr();
  InitLog("info");
  spdlog::debug("hidden");
  spdlog::info("{} chunks", 5);
  spdlog::warn("careful");
  spdlog::error("broken");
  const std::string lines = testing::internal::GetCapturedStderr();
  spdlog::set_default_logger(previous);
  EXPECT_EQ(lines, "retro: 5 chunks\nretro: warning: careful\nretro: error: broken\n");
}

TEST(Log, TheLevelDecidesWhatIsShown) {
  const auto previous = spdlog::default_logger();
  testing::internal::CaptureStderr();
  InitLog("error");
  spdlog::warn("hidden");
  InitLog("off");
  spdlog::error("hidden");
  InitLog("debug");
  spdlog::debug("shown");
  const std::string lines = testing::internal::GetCapturedStderr();
  spdlog::set_default_logger(previous);
  EXPECT_EQ(lines, "retro: debug: shown\n");
}

TEST(Log, AnUnknownLevelIsRefusedWithTheLevelsThatExist) {
  EXPECT_ERROR(InitLog("loud"), ErrorCode::kInvalidArgument, "unknown log level 'loud'; the levels are trace");
}

}  // namespace
}  // namespace retro
