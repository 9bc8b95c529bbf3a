// Properties of code points as the reference tokenizers see them, fixed in tables of our own: ids must not change with
// the version of a system library. Sorted ranges, both ends included.
#pragma once

#include <cstdint>
#include <span>

namespace retro {

struct CodePointRange {
  uint32_t first, last;
};

// Every step-th code point from first to last has its lower case `delta` further on.
struct LowerCaseRange {
  uint32_t first, last;
  int32_t step, delta;
};

extern const std::span<const CodePointRange> kLetterRanges;       // \p{L}
extern const std::span<const CodePointRange> kNumberRanges;       // \p{N}
extern const std::span<const CodePointRange> kWhiteSpaceRanges;   // \s
extern const std::span<const CodePointRange> kDigitRanges;        // split off by a "Digits" pre-tokenizer
extern const std::span<const CodePointRange> kPunctuationRanges;  // split off by BERT
extern const std::span<const CodePointRange> kControlRanges;      // removed by BERT
extern const std::span<const CodePointRange> kAccentRanges;       // non-spacing marks that BERT strips
extern const std::span<const CodePointRange> kMovingMarkRanges;   // put in canonical order by NFD
extern const std::span<const CodePointRange> kWordRanges;         // \w
extern const std::span<const LowerCaseRange> kLowerCaseRanges;

}  // namespace retro
