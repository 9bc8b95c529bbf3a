// Files of the source tree that travel inside the program (cmake/EmbedFiles.cmake).
#pragma once

#include <span>
#include <string_view>

namespace retro {

struct EmbeddedFile {
  std::string_view name;  // relative to service/, e.g. "web/index.html"
  std::string_view bytes;
};

std::span<const EmbeddedFile> EmbeddedFiles();

}  // namespace retro
