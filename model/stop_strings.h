// Text on its way out: cut where a stop string begins, and let go only when it can no longer become part of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace retro {

// Takes the bytes of a growing text in pieces and gives back whole UTF-8 characters (what can never be one becomes
// U+FFFD). The result does not depend on where the pieces were cut. One thread at a time.
class StopStringFilter {
 public:
  // Throws Error(kInvalidArgument) when a stop string is empty.
  explicit StopStringFilter(std::vector<std::string> stop_strings);

  // Returns the text that is decided by now. Of several stop strings the one that is complete first counts (the
  // longest of those that end at the same byte). After a stop, further bytes are ignored.
  std::string Push(std::string_view bytes);

  // The rest: nothing more is coming, so nothing can become a stop string.
  std::string Finish();

  bool stopped() const { return stopped_; }

 private:
  // The length of the longest stop string that ends with the first `end` bytes of `pending_`; 0: none does.
  size_t StopEndingAt(size_t end) const;
  // How many bytes at the end of `pending_` are the beginning of a stop string.
  size_t HeldBack() const;

  std::vector<std::string> stop_strings_;
  std::string pending_;  // not given back yet; it holds no whole stop string
  bool stopped_ = false;
};

}  // namespace retro
