#include "model/stop_strings.h"

#include <algorithm>

#include "core/error.h"
#include "core/utf8.h"

namespace retro {

StopStringFilter::StopStringFilter(std::vector<std::string> stop_strings) : stop_strings_(std::move(stop_strings)) {
  for (const std::string& stop : stop_strings_) {
    if (stop.empty()) Throw(ErrorCode::kInvalidArgument, "a stop string is empty: leave it out");
  }
}

std::string StopStringFilter::Push(std::string_view bytes) {
  if (stopped_) return {};
  const size_t checked = pending_.size();
  pending_ += bytes;
  for (size_t end = checked + 1; end <= pending_.size(); ++end) {
    const size_t stop_bytes = StopEndingAt(end);
    if (stop_bytes == 0) continue;
    stopped_ = true;
    pending_.resize(end - stop_bytes);
    return Finish();
  }
  const size_t decided = CompleteUtf8Prefix(std::string_view(pending_).substr(0, pending_.size() - HeldBack()));
  std::string text = ReplaceInvalidUtf8(std::string_view(pending_).substr(0, decided));
  pending_.erase(0, decided);
  return text;
}

std::string StopStringFilter::Finish() {
  std::string text = ReplaceInvalidUtf8(pending_);
  pending_.clear();
  return text;
}

size_t StopStringFilter::StopEndingAt(size_t end) const {
  const std::string_view text = std::string_view(pending_).substr(0, end);
  size_t longest = 0;
  for (const std::string& stop : stop_strings_) {
    if (text.ends_with(stop)) longest = std::max(longest, stop.size());
  }
  return longest;
}

size_t StopStringFilter::HeldBack() const {
  size_t longest = 0;
  for (const std::string& stop : stop_strings_) {
    for (size_t length = std::min(stop.size() - 1, pending_.size()); length > longest; --length) {
      if (pending_.ends_with(std::string_view(stop).substr(0, length))) longest = length;
    }
  }
  return longest;
}

}  // namespace retro
