#include "index-builder/compare_databases.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/hash.h"
#include "index-builder/living_chunks.h"
#include "retriever/generation.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

struct DocumentEntry {
  uint64_t id = 0;       // hash of it
  uint64_t content = 0;  // hash of metadata and tokens
  DocumentIndex document;
};

struct Contents {
  std::unique_ptr<PartedChunks> chunks;
  std::vector<DocumentEntry> documents;  // by id
  uint64_t num_chunks = 0, num_tokens = 0;
};

void UpdateText(Hasher& hasher, const std::string& text) {
  hasher.Update(text);
  hasher.Update(std::string_view("\0", 1));
}

Contents ReadContents(const fs::path& folder) {
  Contents contents;
  contents.chunks = OpenChunks(folder);
  Hasher hasher;
  ForEachLivingChunk(*contents.chunks, [&](const ChunkRecord& chunk, const DocumentInfo& info) {
    if (chunk.position == 0) {
      hasher = Hasher();
      for (const std::string* field : {&info.title, &info.source, &info.url, &info.licence, &info.date}) {
        UpdateText(hasher, *field);
      }
      contents.documents.push_back({HashBytes(info.id), 0, chunk.document});
    }
    hasher.Update(std::as_bytes(std::span(chunk.tokens)));
    contents.documents.back().content = hasher.Digest();
    ++contents.num_chunks;
    contents.num_tokens += chunk.tokens.size();
  });
  std::ranges::sort(contents.documents, {}, &DocumentEntry::id);
  return contents;
}

std::string IdOf(const Contents& contents, const DocumentEntry& entry) {
  return contents.chunks->Document(entry.document).id;
}

nlohmann::json CompareDocuments(const Contents& a, const Contents& b) {
  std::vector<std::string> added, removed, changed;
  uint64_t same = 0;
  auto in_a = a.documents.begin(), in_b = b.documents.begin();
  while (in_a != a.documents.end() || in_b != b.documents.end()) {
    if (in_b == b.documents.end() || (in_a != a.documents.end() && in_a->id < in_b->id)) {
      removed.push_back(IdOf(a, *in_a++));
    } else if (in_a == a.documents.end() || in_b->id < in_a->id) {
      added.push_back(IdOf(b, *in_b++));
    } else {
      if (in_a->content != in_b->content) changed.push_back(IdOf(b, *in_b));
      same += in_a++->content == in_b++->content;
    }
  }
  for (auto* ids : {&added, &removed, &changed}) std::ranges::sort(*ids);
  return {{"added", added}, {"removed", removed}, {"changed", changed}, {"same", same}};
}

// The fields of two JSON objects that differ.
nlohmann::json CompareFields(const nlohmann::json& a, const nlohmann::json& b) {
  nlohmann::json differences = nlohmann::json::object();
  for (const auto& [name, value] : a.items()) {
    if (!b.contains(name) || b[name] != value)
      differences[name] = {{"a", value}, {"b", b.value(name, nlohmann::json())}};
  }
  for (const auto& [name, value] : b.items()) {
    if (!a.contains(name)) differences[name] = {{"a", nullptr}, {"b", value}};
  }
  return differences;
}

}  // namespace

nlohmann::json CompareDatabases(const fs::path& a, const fs::path& b) {
  const Contents of_a = ReadContents(a), of_b = ReadContents(b);
  const Manifest manifest_a = DatabaseGeneration::Load(a).manifest, manifest_b = DatabaseGeneration::Load(b).manifest;
  nlohmann::json documents = CompareDocuments(of_a, of_b);
  nlohmann::json options = CompareFields(manifest_a.options, manifest_b.options);
  nlohmann::json fingerprints = CompareFields(manifest_a.fingerprints, manifest_b.fingerprints);
  const bool same = documents["added"].empty() && documents["removed"].empty() && documents["changed"].empty() &&
                    options.empty() && fingerprints.empty();
  return {{"same", same},
          {"documents", std::move(documents)},
          {"chunks", {{"a", of_a.num_chunks}, {"b", of_b.num_chunks}}},
          {"tokens", {{"a", of_a.num_tokens}, {"b", of_b.num_tokens}}},
          {"options", std::move(options)},
          {"fingerprints", std::move(fingerprints)}};
}

}  // namespace retro
