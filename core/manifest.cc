// The file is one JSON object whose last lines are
//     "xxh3": "<16 hexadecimal digits>"
//   }
// The digits are the XXH3-64 of every byte before the comma that precedes them, so any changed bit shows. This ending
// stays as it is in every format version: the checksum is looked at first, the version after it.
#include "core/manifest.h"

#include <algorithm>
#include <system_error>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"

namespace retro {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::string_view kChecksumBegin = ",\n  \"xxh3\": \"";
constexpr std::string_view kChecksumEnd = "\"\n}\n";
constexpr size_t kDigits = 16;
constexpr size_t kMaxBytes = size_t{1} << 28;

[[noreturn]] void Refuse(const fs::path& path, std::string_view what) {
  Throw(ErrorCode::kCorruption, "{}: {}; restore the file or build the folder again", path.string(), what);
}

std::string Seal(const json& content) {
  std::string text = content.dump(2, ' ', false, json::error_handler_t::replace);
  text.resize(text.size() - 2);  // without "\n}"
  return fmt::format("{}{}{}{}", text, kChecksumBegin, HashHex(text), kChecksumEnd);
}

void CheckSeal(const fs::path& path, std::string_view text) {
  constexpr size_t kSealBytes = kChecksumBegin.size() + kDigits + kChecksumEnd.size();
  if (text.size() < kSealBytes || !text.ends_with(kChecksumEnd) ||
      !text.substr(text.size() - kSealBytes).starts_with(kChecksumBegin)) {
    Refuse(path, "it does not end in the checksum of a manifest (cut short or changed by hand?)");
  }
  const auto content = text.substr(0, text.size() - kSealBytes);
  if (HashHex(content) != text.substr(text.size() - kChecksumEnd.size() - kDigits, kDigits)) {
    Refuse(path, "its checksum disagrees with its content (damaged, or changed by hand?)");
  }
}

json Section(const fs::path& path, const json& content, const char* name) {
  const auto found = content.find(name);
  if (found == content.end() || !found->is_object()) Refuse(path, fmt::format("the section '{}' is missing", name));
  return *found;
}

std::string Kind(const json& content) { return content.value("kind", json()).dump(); }

void CheckVersion(const fs::path& path, const json& content) {
  const json version = content.value("format_version", json());
  if (!version.is_number_integer()) Refuse(path, "the format version is missing");
  if (version > Manifest::kFormatVersion) {
    Throw(ErrorCode::kInvalidArgument,
          "{} is of format version {}, this program reads up to {}: use a newer retro, or build the folder again",
          path.string(), version.dump(), Manifest::kFormatVersion);
  }
  if (version != Manifest::kFormatVersion)
    Refuse(path, fmt::format("the format version {} is unknown", version.dump()));
}

// The paths in a manifest are data from outside: none may lead out of its folder.
std::string CheckedName(const fs::path& folder, const std::string& relative) {
  fs::path path = fs::path(relative).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (path.empty() || path.is_absolute() || *path.begin() == "..") {
    Refuse(folder / kManifestFile, fmt::format("the path '{}' leads out of the folder", relative));
  }
  return path.generic_string();
}

uint64_t SizeOf(const fs::path& path) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(path, error);
  if (error) ThrowErrno(error.value(), "find the size of", path.string());
  return bytes;
}

// Every regular file below `root` relative to it, sorted, so that two builds of one folder agree.
std::vector<fs::path> FilesBelow(const fs::path& root) {
  std::vector<fs::path> files;
  try {
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(root));
    }
  } catch (const fs::filesystem_error& error) {
    ThrowErrno(error.code().value(), "list the folder", root.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

json Describe(const fs::path& path) { return {{"bytes", SizeOf(path)}, {"xxh3", HashFile(path)}}; }

void VerifyFile(const fs::path& folder, const std::string& relative, const json& entry, Manifest::Check check) {
  const fs::path path = folder / CheckedName(folder, relative);
  if (!entry.is_object() || !entry.value("bytes", json()).is_number_unsigned() ||
      !entry.value("xxh3", json()).is_string()) {
    Refuse(folder / kManifestFile, fmt::format("the entry of '{}' has no size or checksum", relative));
  }
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    Throw(ErrorCode::kNotFound, "{} is missing, though {} lists it; restore it or build the folder again",
          path.string(), kManifestFile);
  }
  const auto bytes = entry["bytes"].get<uint64_t>();
  if (const uint64_t actual = SizeOf(path); actual != bytes) {
    Refuse(path, fmt::format("it has {} bytes, {} says {}", actual, kManifestFile, bytes));
  }
  if (check == Manifest::Check::kChecksums && HashFile(path) != entry["xxh3"].get<std::string>()) {
    Refuse(path, fmt::format("its checksum is not the one in {}", kManifestFile));
  }
}

}  // namespace

Manifest Manifest::Load(const fs::path& folder, std::string_view kind) {
  const fs::path path = folder / kManifestFile;
  const std::string text = ReadFile(path, kMaxBytes);
  CheckSeal(path, text);
  const json content = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!content.is_object()) Refuse(path, "it is not a JSON object");
  if (Kind(content) != json(kind).dump()) {
    Refuse(path, fmt::format("it describes a {}, not a \"{}\"", Kind(content), kind));
  }
  CheckVersion(path, content);
  Manifest manifest;
  manifest.kind = kind;
  manifest.inputs = Section(path, content, "inputs");
  manifest.options = Section(path, content, "options");
  manifest.fingerprints = Section(path, content, "fingerprints");
  manifest.counts = Section(path, content, "counts");
  manifest.files = Section(path, content, "files");
  const json stages = content.value("stages", json());
  if (!stages.is_array()) Refuse(path, "the list 'stages' is missing");
  for (const json& stage : stages) {
    if (!stage.is_string()) Refuse(path, "the list 'stages' holds something that is not a name");
    manifest.stages.push_back(stage.get<std::string>());
  }
  return manifest;
}

bool Manifest::Exists(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / kManifestFile, error);
}

void Manifest::Save(const fs::path& folder) const {
  const json content = {
      {"format_version", kFormatVersion}, {"kind", kind},     {"inputs", inputs}, {"options", options},
      {"fingerprints", fingerprints},     {"counts", counts}, {"stages", stages}, {"files", files}};
  WriteFileAtomically(folder / kManifestFile, Seal(content));
}

bool Manifest::HasStage(std::string_view stage) const {
  return std::find(stages.begin(), stages.end(), stage) != stages.end();
}

void Manifest::AddFile(const fs::path& folder, const std::string& relative) {
  const std::string name = CheckedName(folder, relative);
  const fs::path path = folder / name;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    files[name] = Describe(path);
    return;
  }
  // Recorded again, a folder may hold fewer files than before.
  const std::string prefix = name + "/";
  for (auto entry = files.begin(); entry != files.end();) {
    entry = entry.key().starts_with(prefix) ? files.erase(entry) : std::next(entry);
  }
  for (const fs::path& file : FilesBelow(path)) files[prefix + file.generic_string()] = Describe(path / file);
}

void Manifest::AddInput(const std::string& name, const fs::path& input) {
  const fs::path path = input / kManifestFile;
  std::error_code error;
  if (!fs::exists(path, error)) {
    Throw(ErrorCode::kNotFound, "{}: has no {}; give a folder that retro made", input.string(), kManifestFile);
  }
  inputs[name + "/" + kManifestFile] = Describe(path);
}

void Manifest::VerifyFiles(const fs::path& folder, Check check) const {
  for (const auto& [relative, entry] : files.items()) VerifyFile(folder, relative, entry, check);
}

bool Manifest::HasFiles(const fs::path& folder) const {
  try {
    VerifyFiles(folder, Check::kSizes);
    return true;
  } catch (const Error& error) {
    spdlog::warn("{}", error.what());
    return false;
  }
}

}  // namespace retro
