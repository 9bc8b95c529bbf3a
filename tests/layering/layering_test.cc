// Holds the direction of the dependencies (docs/architecture.md) by reading every #include line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/testing/repository.h"

namespace retro {
namespace {

// For each folder, what it may include: itself and the layers below it.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {"core"}},
    {"datasets", {"core", "datasets"}},
    {"model", {"core", "datasets", "model"}},
    {"retriever", {"core", "datasets", "model", "retriever"}},
    {"index-builder", {"core", "datasets", "model", "retriever", "index-builder"}},
    {"training", {"core", "datasets", "model", "training"}},
    {"evaluation", {"core", "datasets", "model", "retriever", "training", "evaluation"}},
    {"service", {"core", "datasets", "model", "retriever", "training", "service"}},
    {"cli", {"core", "datasets", "model", "retriever", "index-builder", "training", "evaluation", "service", "cli"}},
};

// A library that only some files may see, directly or through a header of ours.
struct ForeignLibrary {
  std::string name;
  std::vector<std::string> headers;  // an include begins with one of these
  std::vector<std::string> homes;    // so must the path of a file that sees it
};

const std::vector<ForeignLibrary> kForeignLibraries = {
    {"LibTorch", {"torch/", "ATen/", "c10/", "caffe2/"}, {"model/torch/", "training/"}},
    {"FAISS", {"faiss/"}, {"retriever/vector_index", "retriever/faiss_"}},
    {"RocksDB", {"rocksdb/"}, {"retriever/chunk_"}},
    {"MPI", {"mpi.h"}, {"core/mpi_"}},
    {"simdjson", {"simdjson"}, {"datasets/"}},
    {"sentencepiece", {"sentencepiece"}, {"datasets/"}},
    {"xxHash", {"xxhash", "xxh3"}, {"core/"}},
    {"Boost", {"boost/"}, {"service/http/"}},
    {"OpenSSL", {"openssl/"}, {"service/http/"}},
    {"prometheus-cpp", {"prometheus/"}, {"service/http/metrics"}},
    {"CLI11", {"CLI/"}, {"cli/"}},
};

struct Includes {
  std::vector<std::string> ours;     // in quotes
  std::vector<std::string> foreign;  // in angle brackets
};

using IncludesByFile = std::map<std::string, Includes>;

bool BeginsWithOneOf(std::string_view text, const std::vector<std::string>& beginnings) {
  for (const std::string& beginning : beginnings) {
    if (text.starts_with(beginning)) return true;
  }
  return false;
}

std::string Folder(const std::string& path) { return path.substr(0, path.find('/')); }

Includes ReadIncludes(const std::string& text) {
  Includes includes;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::string word;
    for (const char c : line) {
      if (c != ' ' && c != '\t') word += c;
    }
    if (!word.starts_with("#include")) continue;
    word.erase(0, std::string_view("#include").size());
    if (word.starts_with('"')) includes.ours.push_back(word.substr(1, word.find('"', 1) - 1));
    if (word.starts_with('<')) includes.foreign.push_back(word.substr(1, word.find('>') - 1));
  }
  return includes;
}

// The sentences that say what is wrong; empty when nothing is.
std::vector<std::string> LayerViolations(const IncludesByFile& files) {
  std::vector<std::string> violations;
  for (const auto& [path, includes] : files) {
    const std::set<std::string>& allowed = kMayInclude.at(Folder(path));
    for (const std::string& include : includes.ours) {
      if (!allowed.contains(Folder(include))) violations.push_back(path + " must not include " + include);
    }
  }
  return violations;
}

// Whether `path` includes one of the library's headers, itself or through headers of ours.
bool Sees(const ForeignLibrary& library, const IncludesByFile& files, const std::string& path,
          std::set<std::string>& visited) {
  const auto found = files.find(path);
  if (found == files.end() || !visited.insert(path).second) return false;
  for (const std::string& include : found->second.foreign) {
    if (BeginsWithOneOf(include, library.headers)) return true;
  }
  for (const std::string& include : found->second.ours) {
    if (BeginsWithOneOf(include, library.headers) || Sees(library, files, include, visited)) return true;
  }
  return false;
}

std::vector<std::string> ForeignViolations(const IncludesByFile& files) {
  std::vector<std::string> violations;
  for (const ForeignLibrary& library : kForeignLibraries) {
    for (const auto& [path, includes] : files) {
      std::set<std::string> visited;
      if (!BeginsWithOneOf(path, library.homes) && Sees(library, files, path, visited)) {
        violations.push_back(path + " must not see " + library.name);
      }
    }
  }
  return violations;
}

IncludesByFile AllSources() {
  IncludesByFile sources;
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const std::string& path : RepositoryFiles(folder)) {
      if (path.ends_with(".h") || path.ends_with(".cc")) sources[path] = ReadIncludes(RepositoryText(path));
    }
  }
  return sources;
}

TEST(Layering, NoFileIncludesUpwardsOrSideways) {
  const IncludesByFile sources = AllSources();
  ASSERT_GT(sources.size(), 50u);  // the walk has found the sources
  EXPECT_THAT(LayerViolations(sources), testing::IsEmpty());
}

TEST(Layering, ForeignLibrariesAreSeenOnlyByTheirWrappers) {
  EXPECT_THAT(ForeignViolations(AllSources()), testing::IsEmpty());
}

TEST(Layering, EveryIncludedFileOfOursExists) {
  const IncludesByFile sources = AllSources();
  for (const auto& [path, includes] : sources) {
    for (const std::string& include : includes.ours) {
      EXPECT_TRUE(sources.contains(include)) << path << " includes " << include;
    }
  }
}

TEST(LayeringCheck, ReadsIncludeLinesAndNothingElse) {
  const Includes includes = ReadIncludes(
      "// #include \"no/comment.h\"\n#include \"core/error.h\"\n"
      "#  include <vector>  // why\n  #include<faiss/Index.h>\nint include;\n");
  EXPECT_THAT(includes.ours, testing::ElementsAre("core/error.h"));
  EXPECT_THAT(includes.foreign, testing::ElementsAre("vector", "faiss/Index.h"));
}

TEST(LayeringCheck, FindsUpwardSidewaysAndUnknownIncludes) {
  const IncludesByFile files = {
      {"core/a.cc", {{"core/a.h", "datasets/corpus.h"}, {}}},
      {"evaluation/b.cc", {{"service/answerer.h", "retriever/embedder.h"}, {}}},
      {"model/c.cc", {{"decoder.h", "tests/testing/temp_dir.h"}, {}}},
  };
  EXPECT_THAT(LayerViolations(files), testing::ElementsAre("core/a.cc must not include datasets/corpus.h",
                                                           "evaluation/b.cc must not include service/answerer.h",
                                                           "model/c.cc must not include decoder.h",
                                                           "model/c.cc must not include tests/testing/temp_dir.h"));
}

TEST(LayeringCheck, FindsAForeignLibraryAlsoBehindAHeader) {
  const IncludesByFile files = {
      {"retriever/vector_index_file.h", {{}, {"faiss/Index.h"}}},
      {"retriever/vector_index.h", {{"retriever/vector_index.h", "retriever/vector_index_file.h"}, {}}},
      {"retriever/embedder.cc", {{"retriever/vector_index.h"}, {}}},
      {"model/decoder.h", {{}, {"torch/torch.h"}}},
      {"model/torch/decoder.cc", {{"model/decoder.h"}, {}}},
  };
  EXPECT_THAT(ForeignViolations(files), testing::ElementsAre("model/decoder.h must not see LibTorch",
                                                             "retriever/embedder.cc must not see FAISS"));
}

}  // namespace
}  // namespace retro
