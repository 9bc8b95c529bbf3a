#include "training/run_log.h"

#include <spdlog/spdlog.h>

#include <cstdio>

#include "core/progress.h"

namespace retro {
namespace {

// The bar is drawn again by its next progress.
void ClearBar() {
  if (!Progress::DrawsBars()) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

}  // namespace

void LogInfo(const std::string& line) {
  ClearBar();
  spdlog::info("{}", line);
}

void LogWarning(const std::string& line) {
  ClearBar();
  spdlog::warn("{}", line);
}

}  // namespace retro
