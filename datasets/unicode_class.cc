#include "datasets/unicode_class.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <memory>

#include "core/error.h"
#include "core/utf8.h"
#include "datasets/unicode_ranges.h"

namespace retro {
namespace {

// The blocks that BERT's published code names, with its gap before U+2B920.
constexpr CodePointRange kCjkRanges[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},  {0x20000, 0x2A6DF},
                                         {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};

std::unique_ptr<uint8_t[]> MakeCharClassTable() {
  auto table = std::make_unique<uint8_t[]>(kNumCodePoints);
  const auto set = [&](std::span<const CodePointRange> ranges, CharClass bit) {
    for (const auto& range : ranges) {
      for (uint32_t c = range.first; c <= range.last; ++c) table[c] |= bit;
    }
  };
  set(kLetterRanges, kLetter);
  set(kNumberRanges, kNumber);
  set(kWhiteSpaceRanges, kWhiteSpace);
  set(kDigitRanges, kDigit);
  set(kPunctuationRanges, kPunctuation);
  set(kControlRanges, kControl);
  set(kAccentRanges, kAccent);
  set(kCjkRanges, kCjk);
  return table;
}

bool Contains(std::span<const CodePointRange> ranges, char32_t value) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), value,
                                      [](char32_t v, const CodePointRange& range) { return v < range.first; });
  return after != ranges.begin() && value <= std::prev(after)->last;
}

char32_t FindLowerCase(char32_t value) {
  const auto after = std::upper_bound(kLowerCaseRanges.begin(), kLowerCaseRanges.end(), value,
                                      [](char32_t v, const LowerCaseRange& range) { return v < range.first; });
  if (after == kLowerCaseRanges.begin()) return value;
  const auto& range = *std::prev(after);
  if (value > range.last || (value - range.first) % range.step != 0) return value;
  return static_cast<char32_t>(static_cast<int32_t>(value) + range.delta);
}

// Lower case of the scripts in which it is common, so that a search is seldom needed.
constexpr uint32_t kNumDirectLowerCase = 0x600;

std::array<uint16_t, kNumDirectLowerCase> MakeDirectLowerCase() {
  std::array<uint16_t, kNumDirectLowerCase> table;
  for (uint32_t c = 0; c < kNumDirectLowerCase; ++c) table[c] = static_cast<uint16_t>(FindLowerCase(c));
  return table;
}

int CombiningClass(char32_t value) {
  if (value < 0x300) return 0;
  const int combining_class = utf8proc_get_property(static_cast<utf8proc_int32_t>(value))->combining_class;
  return combining_class != 0 && Contains(kMovingMarkRanges, value) ? combining_class : 0;
}

void AppendComposed(std::u32string_view text, std::string& out) {
  std::u32string decomposed;
  CanonicalDecomposer decomposer(decomposed);
  for (const char32_t c : text) decomposer.Add(c);
  decomposer.Finish();
  std::vector<utf8proc_int32_t> buffer(decomposed.begin(), decomposed.end());
  constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  const auto length = utf8proc_normalize_utf32(buffer.data(), static_cast<utf8proc_ssize_t>(buffer.size()), kCompose);
  if (length < 0) Throw(ErrorCode::kInternal, "Unicode composition failed: {}", utf8proc_errmsg(length));
  for (utf8proc_ssize_t i = 0; i < length; ++i) AppendCodePoint(static_cast<char32_t>(buffer[i]), out);
}

}  // namespace

const uint8_t* CharClassTable() {
  static const std::unique_ptr<uint8_t[]> table = MakeCharClassTable();
  return table.get();
}

bool IsWordCharacter(char32_t value) { return Contains(kWordRanges, value); }

char32_t LowerCase(char32_t value) {
  static const auto direct = MakeDirectLowerCase();
  return value < kNumDirectLowerCase ? direct[value] : FindLowerCase(value);
}

void CanonicalDecomposer::Add(char32_t value) {
  if (value < 0xC0) return AddDecomposed(value);
  // U+11938 was given its decomposition after the reference's tables were made.
  if (value == 0x11938) return AddDecomposed(value);
  utf8proc_int32_t parts[8];
  int boundary = 0;
  const auto count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(value), parts, 8, UTF8PROC_DECOMPOSE, &boundary);
  if (count <= 0 || count > 8) return AddDecomposed(value);
  for (utf8proc_ssize_t i = 0; i < count; ++i) AddDecomposed(static_cast<char32_t>(parts[i]));
}

void CanonicalDecomposer::AddDecomposed(char32_t value) {
  const int combining_class = CombiningClass(value);
  if (combining_class != 0) {
    marks_.push_back({value, combining_class});
    return;
  }
  Finish();
  out_.push_back(value);
}

void CanonicalDecomposer::Finish() {
  if (marks_.empty()) return;
  std::stable_sort(marks_.begin(), marks_.end(),
                   [](const Mark& a, const Mark& b) { return a.combining_class < b.combining_class; });
  for (const Mark& mark : marks_) out_.push_back(mark.value);
  marks_.clear();
}

std::string ComposeCanonically(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::u32string run;
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const ScannedChar c = ScanChar(p, end);
    if (c.valid) {
      run.push_back(c.value);
    } else {
      AppendComposed(run, out);
      run.clear();
      out.push_back(*p);
    }
    p += c.length;
  }
  AppendComposed(run, out);
  return out;
}

}  // namespace retro
