// The repository's own files, for the tests that read sources and documents instead of running them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace retro {

// Paths relative to the repository's root, sorted, of the regular files below its folder `folder`; none when it is
// absent.
inline std::vector<std::string> RepositoryFiles(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path root = RETRO_SOURCE_DIR;
  std::vector<std::string> files;
  if (!fs::is_directory(root / folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(root).generic_string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline std::string RepositoryText(const std::string& path) {
  std::ifstream file(std::filesystem::path(RETRO_SOURCE_DIR) / path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace retro
