// Who may come in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace retro {

// Immutable; const methods are safe from many threads.
class ApiKeys {
 public:
  explicit ApiKeys(std::vector<std::string> keys) : keys_(std::move(keys)) {}

  bool empty() const { return keys_.empty(); }
  // The number of the key in an Authorization header ("Bearer KEY"); none when it is no key of ours. Takes the same
  // time whatever the difference is.
  std::optional<size_t> Find(std::string_view authorization) const;

 private:
  std::vector<std::string> keys_;
};

}  // namespace retro
