#include "evaluation/common_substring.h"

#include <algorithm>
#include <vector>

namespace retro {

int64_t LongestCommonSubstring(std::span<const TokenId> a, std::span<const TokenId> b) {
  // before[j + 1]: the length of the longest run that ends at the last token of `a` and at b[j].
  std::vector<int32_t> before(b.size() + 1, 0), now(b.size() + 1, 0);
  int32_t longest = 0;
  for (const TokenId token : a) {
    for (size_t j = 0; j < b.size(); ++j) {
      now[j + 1] = b[j] == token ? before[j] + 1 : 0;
      longest = std::max(longest, now[j + 1]);
    }
    std::swap(before, now);
  }
  return longest;
}

}  // namespace retro
