// For tests that change a file behind its reader's back.
#pragma once

#include <filesystem>
#include <fstream>
#include <string_view>

namespace retro {

// Removed first: some file systems sync a file that is emptied and written again, which is slow.
inline void Overwrite(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace retro
