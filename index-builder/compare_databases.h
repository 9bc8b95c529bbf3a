// What differs between two retrieval databases, by their documents.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace retro {

// {"same": bool, "documents": {"added", "removed", "changed": ids, "same": count}, "chunks", "tokens": {"a", "b"},
// "options", "fingerprints": {name: {"a", "b"}} of those that differ}: what has to happen to `a` for it to hold what
// `b` holds. A document has changed when its tokens or what is known of it have. Documents without a chunk are left
// out. 24 bytes of memory a document. Throws Error as OpenChunks does, kUnavailable when interrupted.
nlohmann::json CompareDatabases(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace retro
