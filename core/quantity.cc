#include "core/quantity.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <string>

#include "core/error.h"

namespace retro {
namespace {

constexpr std::string_view kPrefixes = "kmgtp";

[[noreturn]] void Refuse(std::string_view text, std::string_view what, std::string_view examples) {
  Throw(ErrorCode::kInvalidArgument, "{} '{}' cannot be read: give a number like {}", what, text, examples);
}

// The number at the beginning of `text`; what follows it is left in `text`, in lower case and without blanks.
bool TakeNumber(std::string& text, double& value) {
  std::string plain;
  for (const char c : text) {
    if (c != ' ') plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const auto result = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (result.ec != std::errc() || !std::isfinite(value) || value < 0) return false;
  text = plain.substr(static_cast<size_t>(result.ptr - plain.data()));
  return true;
}

// 0 when `prefix` is none.
double Factor(char prefix, double base) {
  const size_t power = kPrefixes.find(prefix);
  return power == std::string_view::npos ? 0 : std::pow(base, static_cast<double>(power + 1));
}

}  // namespace

double ParseCount(std::string_view text, std::string_view what) {
  std::string suffix(text);
  double value = 0, factor = 1;
  if (!TakeNumber(suffix, value) || suffix.size() > 1) Refuse(text, what, "300M or 1.4T");
  if (suffix.size() == 1) factor = suffix == "b" ? 1e9 : Factor(suffix[0], 1000);
  if (factor == 0) Refuse(text, what, "300M or 1.4T");
  return value * factor;
}

double ParseBytes(std::string_view text, std::string_view what) {
  std::string suffix(text);
  double value = 0, factor = 1;
  if (!TakeNumber(suffix, value)) Refuse(text, what, "512G or 80GiB");
  if (suffix.ends_with('b')) suffix.pop_back();
  if (suffix.size() == 2 && suffix[1] == 'i') {
    factor = Factor(suffix[0], 1024);
  } else if (!suffix.empty()) {
    factor = suffix.size() == 1 ? Factor(suffix[0], 1000) : 0;
  }
  if (factor == 0) Refuse(text, what, "512G or 80GiB");
  return value * factor;
}

}  // namespace retro
