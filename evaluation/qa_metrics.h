// How good an answer is, by the measures of SQuAD and of DPR. Pure functions, safe from many threads.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace retro {

// SQuAD's: lower case, without ASCII punctuation, without the words a, an, the, one space between words.
std::string NormalizeAnswer(std::string_view text);

// Each against the best of the accepted answers; without any, 0 and false.
bool ExactMatch(std::string_view prediction, std::span<const std::string> answers);
double TokenF1(std::string_view prediction, std::span<const std::string> answers);

// DPR's: an accepted answer occurs in the passage as a run of whole tokens (words and single signs, canonically
// decomposed, lower case).
bool HasAnswer(std::string_view passage, std::span<const std::string> answers);

}  // namespace retro
