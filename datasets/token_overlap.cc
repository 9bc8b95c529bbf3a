#include "datasets/token_overlap.h"

#include <algorithm>
#include <vector>

namespace retro {

uint32_t LongestCommonSubstring(std::span<const TokenId> a, std::span<const TokenId> b) {
  // runs[j + 1]: how long the run is that ends with this token of a and with b[j]. Two rows, so that a loop has no
  // dependency within itself and becomes vector instructions.
  std::vector<int32_t> before(b.size() + 1), runs(b.size() + 1);
  int32_t longest = 0;
  for (const TokenId token : a) {
    for (size_t j = 0; j < b.size(); ++j) {
      const int32_t run = b[j] == token ? before[j] + 1 : 0;
      runs[j + 1] = run;
      longest = std::max(longest, run);
    }
    before.swap(runs);
  }
  return static_cast<uint32_t>(longest);
}

}  // namespace retro
