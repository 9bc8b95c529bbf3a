#include "core/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace retro {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kLogInterval = std::chrono::seconds(10);
constexpr size_t kShortestBar = 8, kLongestBar = 32;  // with its brackets

std::atomic<bool> enabled{true};

bool IsTerminal() {
  static const bool terminal = [] {
    const char* type = std::getenv("TERM");
    return ::isatty(STDERR_FILENO) == 1 && type != nullptr && std::string_view(type) != "dumb";
  }();
  return terminal;
}

size_t TerminalWidth() {
  winsize size = {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// A bar that takes what is left of a line, or nothing where that is too little.
std::string Bar(double fraction, size_t room) {
  if (room < kShortestBar) return "";
  const size_t length = std::min(room, kLongestBar) - 3;
  const auto filled = static_cast<size_t>(fraction * static_cast<double>(length));
  return fmt::format("[{}{}] ", std::string(filled, '#'), std::string(length - filled, '.'));
}

}  // namespace

std::string FormatCount(uint64_t count) {
  std::string digits = std::to_string(count);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string FormatDuration(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<uint64_t>(std::min(seconds, 1e9));
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60);
}

Progress::Progress(std::string label, std::string unit, uint64_t total)
    : label_(std::move(label)), unit_(std::move(unit)), total_(total), start_(Clock::now()), shown_(start_) {}

Progress::~Progress() {
  const std::lock_guard lock(mutex_);
  if (!finished_ && drawn_) std::fputc('\n', stderr);
}

void Progress::SetEnabled(bool on) { enabled = on; }

bool Progress::DrawsBars() { return enabled && IsTerminal(); }

void Progress::Add(uint64_t count) {
  const std::lock_guard lock(mutex_);
  done_ += count;
  if (finished_ || !enabled.load(std::memory_order_relaxed)) return;
  const auto now = Clock::now();
  const auto passed = now - shown_;
  if (IsTerminal() ? passed < kTerminalInterval : passed < kLogInterval) return;
  shown_ = now;
  Show(/*last=*/false);
}

void Progress::Finish() {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  if (enabled) Show(/*last=*/true);
}

std::string Progress::Line(double seconds, bool last, size_t width) const {
  const double rate = static_cast<double>(done_) / std::max(seconds, 1e-3);
  const std::string speed =
      fmt::format("{} {}/s", rate < 10 ? fmt::format("{:.1f}", rate) : FormatCount(static_cast<uint64_t>(rate)), unit_);
  if (last) {
    return fmt::format("{}: {} {} in {} ({})", label_, FormatCount(done_), unit_, FormatDuration(seconds), speed);
  }
  if (total_ == 0) return fmt::format("{}: {} {}, {}", label_, FormatCount(done_), unit_, speed);
  const double fraction = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  const std::string left = done_ == 0 ? "" : fmt::format(", {} left", FormatDuration(seconds / fraction - seconds));
  const std::string state =
      fmt::format("{:.0f} % of {} {}, {}{}", fraction * 100, FormatCount(total_), unit_, speed, left);
  const size_t taken = label_.size() + 2 + state.size();
  return fmt::format("{}: {}{}", label_, Bar(fraction, width > taken ? width - taken : 0), state);
}

void Progress::Show(bool last) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (!IsTerminal()) {
    fmt::print(stderr, "{}\n", Line(seconds, last, /*width=*/0));
    return;
  }
  drawn_ = true;
  const size_t width = TerminalWidth() - 1;
  std::string line = Line(seconds, last, width);
  if (!last && line.size() > width) line.resize(width);  // a wrapped line could not be drawn over
  fmt::print(stderr, "\r{}\x1b[K{}", line, last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace retro
