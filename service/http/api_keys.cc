#include "service/http/api_keys.h"

#include <boost/beast/core/string.hpp>

namespace retro {
namespace {

// Its time depends on the length of what was given only.
bool SameText(std::string_view key, std::string_view given) {
  unsigned char difference = key.size() == given.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) difference |= key[i % key.size()] ^ given[i];
  return difference == 0;
}

}  // namespace

std::optional<size_t> ApiKeys::Find(std::string_view authorization) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (!boost::beast::iequals(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  const std::string_view given = authorization.substr(kScheme.size());
  std::optional<size_t> found;
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (SameText(keys_[i], given)) found = i;
  }
  return found;
}

}  // namespace retro
