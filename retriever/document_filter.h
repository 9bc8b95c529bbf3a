// Which documents a search may find, by what is known of them.
#pragma once

#include <string>
#include <vector>

namespace retro {

struct DocumentInfo;

// A document passes when each list that is not empty has its field, letter for letter. A plain value.
struct DocumentFilter {
  std::vector<std::string> sources;
  std::vector<std::string> licences;

  bool empty() const { return sources.empty() && licences.empty(); }
  bool Accepts(const DocumentInfo& document) const;
};

}  // namespace retro
