// Second names for files that never change once they are there: a hard link, or a copy where the file system has none.
#pragma once

#include <filesystem>

namespace retro {

// `to` must not exist. Throws Error(kIo); kNotFound when `from` is not there.
void LinkOrCopy(const std::filesystem::path& from, const std::filesystem::path& to);

// `from` may be a file or a folder of any depth; nothing happens when it is not there. Folders are synced.
void LinkTree(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace retro
