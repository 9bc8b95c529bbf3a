// A text as the set of its word n-grams ("shingles": Broder, On the resemblance and containment of documents, 1997).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace retro {

// Appends a 64-bit hash for each run of `ngram` words of a text, in order, repeated ones as often as they occur; a text
// of fewer words gives the one hash of all of them. Words are what white space parts, in lower case; an ideograph is a
// word of its own. REQUIRES: ngram > 0. Safe from many threads.
void AppendShingles(std::string_view text, size_t ngram, std::vector<uint64_t>& shingles);

// |A ∩ B| / |A ∪ B| of two sorted lists without repetitions; 1 when both are empty.
double JaccardSimilarity(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b);

}  // namespace retro
