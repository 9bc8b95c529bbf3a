#include "service/http/base64.h"

#include <bit>
#include <boost/beast/core/detail/base64.hpp>

namespace retro {

static_assert(std::endian::native == std::endian::little, "embeddings go out as they lie in memory");

std::string Base64OfFloats(std::span<const float> values) {
  namespace base64 = boost::beast::detail::base64;
  std::string text(base64::encoded_size(values.size_bytes()), '\0');
  text.resize(base64::encode(text.data(), values.data(), values.size_bytes()));
  return text;
}

}  // namespace retro
