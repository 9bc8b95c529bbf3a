// Which documents a search may find, by what is known of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace retro {

struct DocumentInfo;

// A document passes when each list that is not empty has its field, letter for letter, and when its date lies within
// the bounds, both included. A plain value.
struct DocumentFilter {
  std::vector<std::string> documents;  // ids
  std::vector<std::string> sources;
  std::vector<std::string> licences;
  // Each empty, or a date (IsDate). The less exact of a bound and a document's date decides: what is dated 2024-05-17
  // or 2024 lies in 2024 to 2024, and in 2024-05 to 2024-06. A document without a date lies nowhere.
  std::string date_from, date_to;

  bool empty() const;
  bool Accepts(const DocumentInfo& document) const;
  // Throws Error(kInvalidArgument) when a bound is no date.
  void Validate() const;
};

// Whether `text` is a year, a month or a day as ISO 8601 writes them ("2024", "2024-05", "2024-05-17"), or a day with a
// time behind it ("2024-05-17T08:30:00Z"), at which searches do not look.
bool IsDate(std::string_view text);

}  // namespace retro
