// FAISS indexes on disk: written atomically, and looked over once more when read. Internal to retriever.
#pragma once

#include <faiss/Index.h>

#include <filesystem>
#include <memory>
#include <string>

namespace retro {

// Throws Error(kIo).
void WriteIndexFile(const faiss::Index& index, const std::filesystem::path& path);

// Throws Error(kNotFound, kCorruption). Checked: trained, L2, lists that together hold each row number once, centroids
// as many as lists. REQUIRES: the file's checksum was verified.
std::unique_ptr<faiss::Index> ReadIndexFile(const std::filesystem::path& path);

// The factory string of the kinds that VectorIndex makes, as near as it can be read off the index.
std::string DescribeIndex(const faiss::Index& index);

}  // namespace retro
