#include "core/file_tree.h"

#include <system_error>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/file.h"

namespace retro {
namespace fs = std::filesystem;

void RemoveAll(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) ThrowErrno(error.value(), "remove", path.string());
}

void LinkOrCopy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (!error) return;
  fs::copy_file(from, to, error);
  if (error) ThrowErrno(error.value(), "copy into", to.string());
  Descriptor::OpenForReading(to).Sync(to);
}

void LinkTree(const fs::path& from, const fs::path& to) {
  if (!fs::exists(from)) return;
  if (!fs::is_directory(from)) return LinkOrCopy(from, to);
  MakeDirectories(to);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) LinkTree(entry.path(), to / entry.path().filename());
  if (error) ThrowErrno(error.value(), "list", from.string());
  SyncDirectory(to);
}

}  // namespace retro
