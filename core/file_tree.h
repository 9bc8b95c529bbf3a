// Files and folders with all that is in them: removed, or given a second name.
#pragma once

#include <filesystem>

namespace retro {

// Nothing happens when it is not there. Throws Error(kIo) naming the path.
void RemoveAll(const std::filesystem::path& path);

// A second name for a file that never changes once it is there: a hard link, or a copy where the file system has none.
// `to` must not exist. Throws Error(kIo); kNotFound when `from` is not there.
void LinkOrCopy(const std::filesystem::path& from, const std::filesystem::path& to);

// `from` may be a file or a folder of any depth; nothing happens when it is not there. Folders are synced.
void LinkTree(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace retro
