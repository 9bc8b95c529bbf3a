#include "retriever/document_filter.h"

#include <algorithm>

#include "datasets/corpus.h"

namespace retro {
namespace {

bool AllowsAny(const std::vector<std::string>& allowed, const std::string& value) {
  return allowed.empty() || std::ranges::find(allowed, value) != allowed.end();
}

}  // namespace

bool DocumentFilter::Accepts(const DocumentInfo& document) const {
  return AllowsAny(sources, document.source) && AllowsAny(licences, document.licence);
}

}  // namespace retro
