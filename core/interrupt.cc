#include "core/interrupt.h"

#include <atomic>
#include <csignal>

#include "core/error.h"

namespace retro {

namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the flag is set inside a signal handler");

void HandleSignal(int number) {
  if (interrupted.exchange(true) && number == SIGINT) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

}  // namespace

void InstallInterruptHandler() {
  struct sigaction action = {};
  action.sa_handler = HandleSignal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool Interrupted() { return interrupted.load(std::memory_order_relaxed); }

void ThrowIfInterrupted() {
  if (Interrupted()) {
    Throw(ErrorCode::kUnavailable, "interrupted: what is finished is on disk; run the same command again to go on");
  }
}

void SetInterrupted(bool value) { interrupted = value; }

}  // namespace retro
