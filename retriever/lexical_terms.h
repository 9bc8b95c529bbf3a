// Text to the terms of the lexical index: chunks and questions go the same way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace retro {

// A term is the XXH3-64 of a word: no table of words is kept, and two of 10^7 words share a term with a chance of
// 1 in 400,000.
using LexicalTerm = uint64_t;

// Words (runs of letters, digits and marks; an ideograph is a word of its own) in lower case, without accents, without
// the commonest English ones, and without the ending of an English plural. In the order of the text, repeated as there.
// Safe from many threads.
std::vector<LexicalTerm> LexicalTerms(std::string_view text);

// "ies" → "y", "es" → "e", "s" → "", save after letters that speak against a plural; other words stay. Harman, "How
// effective is suffixing?" (JASIS 42, 1991), the S stemmer. REQUIRES: lower case
void StemPlural(std::string& word);

}  // namespace retro
