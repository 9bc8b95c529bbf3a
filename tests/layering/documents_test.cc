// Documents drift: what they name must be there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/testing/repository.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

const std::set<std::string> kFolders = {"core",       "datasets", "model",    "retriever", "index-builder", "training",
                                        "evaluation", "service",  "cli",      "tests",     "benchmarks",    "docs",
                                        "scripts",    "cmake",    "examples", ".ci"};

std::vector<std::string> Documents() {
  std::vector<std::string> documents = {"README.md", "CONTRIBUTING.md"};
  for (const std::string& path : RepositoryFiles("docs")) {
    if (path.ends_with(".md")) documents.push_back(path);
  }
  return documents;
}

std::vector<std::string> Matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> matches;
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) matches.push_back((*it)[1]);
  return matches;
}

// What a document names: back-quoted words made of a path's letters, targets of links, and scripts in its examples.
std::vector<std::string> NamedPaths(const std::string& text) {
  std::vector<std::string> paths = Matches(text, "`([A-Za-z0-9_./*-]+)`");
  for (const char* pattern :
       {R"(\]\(([A-Za-z0-9_./-]+)(?:#[^)]*)?\))", R"((?:^|\s)((?:\./)?scripts/[A-Za-z0-9_.-]*[A-Za-z0-9_-]))"}) {
    const auto more = Matches(text, pattern);
    paths.insert(paths.end(), more.begin(), more.end());
  }
  return paths;
}

bool IsSourceName(const std::string& path) {
  for (const char* ending : {".h", ".cc", ".md", ".py", ".cmake"}) {
    if (path.ends_with(ending) && path.size() > std::string(ending).size()) return true;
  }
  return false;
}

// Names of ours must exist; a source file may be named without its folder. Other words (commands, files of a database)
// are nobody's path.
bool Resolves(std::string path, const std::set<std::string>& files) {
  if (path.starts_with("./")) path.erase(0, 2);
  const bool in_folder = path.find('/') != std::string::npos && kFolders.contains(path.substr(0, path.find('/')));
  if (!in_folder && !IsSourceName(path)) return true;
  if (const size_t star = path.find('*'); star != std::string::npos) {
    const std::string beginning = path.substr(0, star);
    const auto next = files.lower_bound(beginning);
    return next != files.end() && next->starts_with(beginning);
  }
  if (in_folder) return fs::exists(fs::path(RETRO_SOURCE_DIR) / path);
  for (const std::string& file : files) {
    if (file == path || file.ends_with("/" + path)) return true;
  }
  return false;
}

std::set<std::string> AllFiles() {
  std::set<std::string> files;
  for (const std::string& folder : kFolders) {
    for (const std::string& path : RepositoryFiles(folder)) files.insert(path);
  }
  for (const auto& entry : fs::directory_iterator(RETRO_SOURCE_DIR)) {
    if (entry.is_regular_file()) files.insert(entry.path().filename().string());
  }
  return files;
}

TEST(Documents, EveryPathThatTheyNameExists) {
  const std::set<std::string> files = AllFiles();
  for (const std::string& document : Documents()) {
    const std::string text = RepositoryText(document);
    EXPECT_FALSE(text.empty()) << document << " is missing";
    for (const std::string& path : NamedPaths(text)) {
      EXPECT_TRUE(Resolves(path, files)) << document << " names " << path << ", which does not exist";
    }
  }
}

TEST(DocumentsCheck, FindsPathsInQuotesLinksAndExamples) {
  EXPECT_THAT(NamedPaths("see `core/file.h` and [it](docs/a.md#part), [web](https://x.org); `retro ask`\n"
                         "    scripts/test   # the tests\n    ./scripts/bench.\n"),
              testing::ElementsAre("core/file.h", "docs/a.md", "scripts/test", "./scripts/bench"));
}

TEST(DocumentsCheck, TellsWhatIsMissingFromWhatIsNoPath) {
  const std::set<std::string> files = {"core/file.h", "retriever/vector_index.cc"};
  for (const char* path : {"core/file.h", "core/", "file.h", "retriever/vector_index*.cc", "retro", "manifest.json",
                           "chunks/", "vectors.index", "step-000100/", "and/or", ".h"}) {
    EXPECT_TRUE(Resolves(path, files)) << path;
  }
  for (const char* path : {"core/fil.h", "core/nothing/", "fil.h", "le.h", "retriever/chunk*.cc", "gone/file.h"}) {
    EXPECT_FALSE(Resolves(path, files)) << path;
  }
}

}  // namespace
}  // namespace retro
