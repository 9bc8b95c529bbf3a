// Numbers as people write large ones: "1.4T" tokens, "512G" of memory.
#pragma once

#include <string_view>

namespace retro {

// A number with k, M, G or B (10^9), T or P (10^15) behind it, or none: "1.4T", "300 M", "64". Upper and lower case are
// one. Throws Error(kInvalidArgument) naming `what` and the text when it is not one, or is negative.
double ParseCount(std::string_view text, std::string_view what);

// The same of bytes: B may follow, G is 10^9 and Gi is 2^30: "512G", "512 GB", "80GiB".
double ParseBytes(std::string_view text, std::string_view what);

}  // namespace retro
