// Running text cut into sentences, well enough to quote one.
#pragma once

#include <string_view>
#include <vector>

namespace retro {

// Parts of `text` in order, trimmed and not empty; together they hold all of it but white space. A sentence ends at
// ".", "!", "?" or "…" (with closing quotes and brackets) before white space and what can begin a sentence, at the full
// stops of Chinese, Japanese and Hindi, and at a blank line; not after an initial ("J. Smith") or a common abbreviation
// ("Dr. Who", "e.g. this").
std::vector<std::string_view> SplitSentences(std::string_view text);

}  // namespace retro
