// How far a long job is, on stderr: a bar with rate and time left on a terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace retro {

// Add() may be called from many threads.
class Progress {
 public:
  // `unit` is plural ("chunks"). `total` 0: not known, so no time left is shown.
  Progress(std::string label, std::string unit, uint64_t total);
  ~Progress();  // ends the line

  void Add(uint64_t count);
  void Finish();  // shows the final count, rate and time taken

  // Off by --quiet and in tests.
  static void SetEnabled(bool enabled);
  // Whether bars are drawn: else there are lines now and then.
  static bool DrawsBars();

 private:
  void Show(bool last);
  std::string Line(double seconds, bool last, size_t width) const;  // with a bar where it fits into `width`

  std::mutex mutex_;
  std::string label_, unit_;
  uint64_t total_ = 0, done_ = 0;
  std::chrono::steady_clock::time_point start_, shown_;
  bool finished_ = false;
  bool drawn_ = false;  // a bar stands on the terminal's last line
};

std::string FormatCount(uint64_t count);     // 1234567 → "1,234,567"
std::string FormatDuration(double seconds);  // "4.2 s", "3:07 min", "1:02:03 h"

}  // namespace retro
