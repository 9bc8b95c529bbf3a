// Numbers as text, the way that OpenAI's clients ask for embeddings.
#pragma once

#include <span>
#include <string>

namespace retro {

// The base64 (RFC 4648, section 4) of the numbers' bytes: 32-bit floats, little-endian.
std::string Base64OfFloats(std::span<const float> values);

}  // namespace retro
