// Texts as sets of words, to see what one says that another one holds.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace retro {

// The words (runs of letters, digits and marks) in lower case.
std::set<std::string> Words(std::string_view text);

// What `text` says beyond the question: its words without those of the question and without words that carry little
// ("the", "was"); all its words when nothing else is left.
std::set<std::string> NewWords(std::string_view text, std::string_view question);

// The share of `wanted` that is in `words`; 0 when nothing is wanted.
float ShareOf(const std::set<std::string>& wanted, const std::set<std::string>& words);

}  // namespace retro
