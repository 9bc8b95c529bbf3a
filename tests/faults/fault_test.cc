// The N-th write, sync, rename or opening fails: the change ends with an error that names the path, what was there
// before is whole, and the same call finishes the work once the fault is gone. A few N of each kind of call, or with
// RETRO_ALL_FAULTS=1 every one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <set>

#include "core/error.h"
#include "index-builder/verify_index.h"
#include "tests/index-builder/updated_database.h"
#include "tests/testing/fault_injection.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

using Found = std::vector<std::vector<FoundText>>;

const char* Name(Fault::Call call) {
  switch (call) {
    case Fault::Call::kNone:
      return "none";
    case Fault::Call::kWrite:
      return "write";
    case Fault::Call::kSync:
      return "sync";
    case Fault::Call::kRename:
      return "rename";
    case Fault::Call::kOpen:
      return "open";
  }
  return "";
}

bool AllFaults() { return std::getenv("RETRO_ALL_FAULTS") != nullptr; }

// Which of `calls` calls fail, one after the other.
std::vector<uint64_t> FailingCalls(uint64_t calls) {
  constexpr uint64_t kFew = 3;
  std::vector<uint64_t> numbers;
  const uint64_t count = AllFaults() ? calls : std::min(calls, kFew);
  for (uint64_t i = 0; i < count; ++i) numbers.push_back(1 + i * (calls - 1) / std::max<uint64_t>(count - 1, 1));
  return numbers;
}

std::vector<Fault::Kind> KindsOf(Fault::Call call) {
  using enum Fault::Kind;
  if (call == Fault::Call::kWrite) return {kNoSpace, kIoError, kShortWrite, kFullDisk};
  if (call == Fault::Call::kOpen) return {kNoSpace, kFullDisk};
  return {kIoError};
}

struct FaultTest : ::testing::Test, UpdatedDatabase {
  // What `change` makes of the folder "work", which is there before it as in "base".
  std::function<void()> change;
  // What readers see of it.
  std::function<std::string()> state = [this] { return DatabaseState(); };

  fs::path work() const { return folder / "work"; }
  fs::path db() const { return work() / "db"; }

  void Restore() const {
    fs::remove_all(work());
    if (fs::exists(folder / "base")) {
      fs::copy(folder / "base", work(), fs::copy_options::recursive);
    } else {
      fs::create_directory(work());
    }
  }

  std::string DatabaseState() {
    if (!Manifest::Exists(db())) return "none";
    const nlohmann::json report = VerifyIndex(db(), tokenizer, *embedder, {}, pool);
    if (!report.at("ok").get<bool>()) return "damaged: " + report.dump();
    std::string found;
    for (const auto& row : SearchTexts(*Open(db()), {.k = 30})) {
      for (const FoundText& text : row) found += text.document + " " + std::to_string(text.distance) + " " + text.text;
    }
    return found;
  }

  uint64_t CountCalls(Fault::Call call) {
    Restore();
    SetFault({call, Fault::Kind::kIoError, 0, work()});
    change();
    return ClearFault().calls;
  }

  // One trial. What failed and was borne goes to `borne`.
  void Try(const Fault& fault, const std::string& before, const std::string& after, std::set<std::string>& borne) {
    Restore();
    std::string message;
    FaultReport report;
    {
      const FaultScope scope(fault);
      try {
        change();
      } catch (const Error& error) {
        message = error.what();
      }
      report = ClearFault();
    }
    const std::string now = state();
    if (message.empty()) {
      EXPECT_EQ(now, after);
      if (!report.path.empty())
        borne.insert(std::string(Name(fault.call)) + " of " + fs::relative(report.path, work()).string());
      return;
    }
    EXPECT_FALSE(report.path.empty()) << message;
    EXPECT_TRUE(now == before || now == after) << message << "\nleft: " << now;
    const std::string named = fs::path(report.path).parent_path();
    EXPECT_NE(message.find(named), std::string::npos) << "failed at " << report.path << ", but says: " << message;
    if (now == after) return;
    change();
    EXPECT_EQ(state(), after) << message;
  }

  void TryAll() {
    Restore();
    const std::string before = state();
    change();
    const std::string after = state();
    EXPECT_NE(before, after);
    std::set<std::string> borne;
    uint64_t trials = 0;
    for (const Fault::Call call : {Fault::Call::kWrite, Fault::Call::kSync, Fault::Call::kRename, Fault::Call::kOpen}) {
      const uint64_t calls = CountCalls(call);
      EXPECT_GT(calls, 0u) << Name(call);
      for (const Fault::Kind kind : KindsOf(call)) {
        for (const uint64_t number : FailingCalls(calls)) {
          SCOPED_TRACE(std::string(Name(call)) + " " + std::to_string(number) + " of " + std::to_string(calls) +
                       ", kind " + std::to_string(static_cast<int>(kind)));
          Try({call, kind, number, work()}, before, after, borne);
          ++trials;
          if (HasFailure()) return;
        }
      }
    }
    RecordProperty("trials", std::to_string(trials));
    for (const std::string& name : borne) std::printf("borne: %s\n", name.c_str());
    std::printf("%llu trials\n", static_cast<unsigned long long>(trials));
  }
};

const IndexOptions kOptions{.chunk_len = 16, .factory = "IVF4,PQ16x4fs", .keep_embeddings = true, .block_chunks = 32};

TEST_F(FaultTest, OfACorpusBuild) {
  const fs::path input = Write("documents.jsonl", NumberedDocuments(0, 20));
  CorpusOptions options{.valid_fraction = 0.3};
  options.max_shard_tokens = 500;
  change = [=, this] { BuildCorpus({input}, tokenizer, work() / "corpus", options, pool); };
  state = [this] {
    if (!Manifest::Exists(work() / "corpus")) return std::string("none");
    Manifest manifest = Manifest::Load(work() / "corpus", "corpus");
    manifest.VerifyFiles(work() / "corpus", Manifest::Check::kChecksums);
    return ReadText(work() / "corpus/manifest.json");
  };
  TryAll();
}

TEST_F(FaultTest, OfABuild) {
  const fs::path input = Write("documents.jsonl", NumberedDocuments(0, 20));
  change = [=, this] { BuildIndex({input}, tokenizer, *embedder, db(), kOptions, pool); };
  TryAll();
}

TEST_F(FaultTest, OfABuildInThePlaceOfAnOlderDatabase) {
  BuildFrom(folder / "base/db", NumberedDocuments(20, 8));
  const fs::path input = Write("documents.jsonl", NumberedDocuments(0, 20));
  change = [=, this] { BuildIndex({input}, tokenizer, *embedder, db(), kOptions, pool); };
  TryAll();
}

struct ChangedDatabaseFaultTest : FaultTest {
  void SetUp() override {
    BuildFrom(folder / "base/db", NumberedDocuments(0, 15), kOptions);
    AddDocuments(folder / "base/db", {Write("add.jsonl", NumberedDocuments(15, 5))}, tokenizer, *embedder, {}, pool);
  }
};

TEST_F(ChangedDatabaseFaultTest, OfAnAddition) {
  const fs::path input = Write("more.jsonl", NumberedDocuments(17, 6, 2));
  change = [=, this] { AddDocuments(db(), {input}, tokenizer, *embedder, {}, pool); };
  TryAll();
}

TEST_F(ChangedDatabaseFaultTest, OfARemoval) {
  change = [this] { RemoveDocuments(db(), {.ids = {}, .sources = {"odd"}}, {}); };
  TryAll();
}

TEST_F(ChangedDatabaseFaultTest, OfACompaction) {
  RemoveDocuments(folder / "base/db", {.ids = {}, .sources = {"odd"}}, {});
  change = [this] { CompactDatabase(db(), tokenizer, *embedder, {}, pool); };
  const auto found = state;
  // What is found is the same before and after; how many parts it lies in is not.
  state = [=, this] { return found() + IndexStats(db()).at("parts").dump(); };
  TryAll();
}

}  // namespace
}  // namespace retro
