#include "retriever/document_filter.h"

#include <algorithm>

#include "core/error.h"
#include "datasets/corpus.h"

namespace retro {
namespace {

constexpr std::string_view kDayPattern = "dddd-dd-dd";  // d: a digit

bool AllowsAny(const std::vector<std::string>& allowed, const std::string& value) {
  return allowed.empty() || std::ranges::find(allowed, value) != allowed.end();
}

bool HasDayPattern(std::string_view text) {
  return std::ranges::equal(text, kDayPattern.substr(0, text.size()),
                            [](char c, char pattern) { return pattern == 'd' ? c >= '0' && c <= '9' : c == pattern; });
}

// A two-digit number of `text` is from 1 to `most`.
bool IsFromOneTo(std::string_view text, size_t at, int most) {
  const int value = (text[at] - '0') * 10 + text[at + 1] - '0';
  return value >= 1 && value <= most;
}

// Negative, zero or positive as `date` lies before, in or after `bound`.
int Compare(std::string_view date, std::string_view bound) {
  const size_t size = std::min({date.size(), bound.size(), kDayPattern.size()});
  return date.substr(0, size).compare(bound.substr(0, size));
}

void RequireDate(const char* name, const std::string& bound) {
  if (bound.empty() || IsDate(bound)) return;
  Throw(ErrorCode::kInvalidArgument, "{} is \"{}\": it must be a date, as 2024, 2024-05 or 2024-05-17", name, bound);
}

}  // namespace

bool IsDate(std::string_view text) {
  const std::string_view day = text.substr(0, kDayPattern.size());
  if (!HasDayPattern(day)) return false;
  if (day.size() == 4) return true;
  if (day.size() == 7) return IsFromOneTo(day, 5, 12);
  if (day.size() != 10 || !IsFromOneTo(day, 5, 12) || !IsFromOneTo(day, 8, 31)) return false;
  return text.size() == day.size() || text[day.size()] == 'T' || text[day.size()] == ' ';
}

bool DocumentFilter::empty() const {
  return documents.empty() && sources.empty() && licences.empty() && date_from.empty() && date_to.empty();
}

bool DocumentFilter::Accepts(const DocumentInfo& document) const {
  if (!AllowsAny(documents, document.id) || !AllowsAny(sources, document.source) ||
      !AllowsAny(licences, document.licence)) {
    return false;
  }
  if (date_from.empty() && date_to.empty()) return true;
  if (!IsDate(document.date)) return false;
  return (date_from.empty() || Compare(document.date, date_from) >= 0) &&
         (date_to.empty() || Compare(document.date, date_to) <= 0);
}

void DocumentFilter::Validate() const {
  RequireDate("the first date", date_from);
  RequireDate("the last date", date_to);
}

}  // namespace retro
