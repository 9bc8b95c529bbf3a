// manifest.json: what a folder of retro's holds, what it was made from, and the checksum of every file in it.
// It is written last and swapped in atomically, so a folder whose manifest is complete is complete itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace retro {

inline constexpr const char* kManifestFile = "manifest.json";

// A plain value; copies are independent. Fields outside this struct are kept in `extra` sections as JSON objects.
struct Manifest {
  static constexpr int kFormatVersion = 1;

  std::string kind;                                        // "corpus", "retrieval database", ...
  nlohmann::json inputs = nlohmann::json::object();        // path -> {bytes, xxh3}
  nlohmann::json options = nlohmann::json::object();       // as resolved
  nlohmann::json fingerprints = nlohmann::json::object();  // tokenizer, embedder, chunk_len, metric, ...
  nlohmann::json counts = nlohmann::json::object();        // documents, chunks, tokens, measured figures
  std::vector<std::string> stages;                         // stages that are done, in order
  nlohmann::json files = nlohmann::json::object();         // relative path -> {bytes, xxh3}

  // Reads FOLDER/manifest.json. Throws Error: kNotFound when it is missing, kCorruption when it is not a manifest of
  // this kind or its own checksum disagrees, kInvalidArgument when it is of a newer format version.
  static Manifest Load(const std::filesystem::path& folder, std::string_view kind);
  static bool Exists(const std::filesystem::path& folder);

  // Writes FOLDER/manifest.json atomically.
  void Save(const std::filesystem::path& folder) const;

  bool HasStage(std::string_view stage) const;

  // Records size and XXH3 of FOLDER/RELATIVE, which may be a folder: then every file below it.
  void AddFile(const std::filesystem::path& folder, const std::string& relative);

  // Records in `inputs` that this folder was made from `input`, a folder of retro's own: NAME/manifest.json, by size
  // and hash, which stands for all of its files.
  void AddInput(const std::string& name, const std::filesystem::path& input);

  enum class Check { kSizes, kChecksums };
  // Throws Error(kCorruption or kNotFound) naming the first file that is missing or differs.
  void VerifyFiles(const std::filesystem::path& folder, Check check) const;
  // Whether every file is there with its size; what is wrong with the first that is not goes to the log. For deciding
  // whether finished work can be taken as it is.
  bool HasFiles(const std::filesystem::path& folder) const;
};

}  // namespace retro
