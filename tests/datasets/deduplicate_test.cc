#include "datasets/deduplicate.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "datasets/corpus.h"
#include "tests/testing/byte_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDocuments =
    R"({"id":"a","title":"A","text":"the first document of all these few words","url":"http://x/a","licence":"CC0","date":"2024-05"})"
    "\n"
    R"({"id":"b","text":"another document that has nothing in common with it"})"
    "\n"
    R"({"id":"c","text":"The First document of ALL these few words"})"
    "\n"
    R"({"id":"d","text":"short"})"
    "\n"
    R"({"text":"Short"})"
    "\n";

class DeduplicateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Progress::SetEnabled(false);
    WriteFileAtomically(folder_ / "in.jsonl", kDocuments);
  }

  DeduplicateReport Run(const DeduplicateOptions& options) {
    ThreadPool pool(2);
    return DeduplicateDocuments({folder_ / "in.jsonl"}, folder_ / "out.jsonl", options, pool);
  }

  std::vector<Document> Written() {
    std::vector<Document> documents;
    const auto reader = OpenDocuments({folder_ / "out.jsonl"});
    for (Document document; reader->Next(document);) documents.push_back(document);
    return documents;
  }

  TempDir folder_;
};

TEST_F(DeduplicateTest, TheFirstOfEachClusterIsWrittenWithItsFields) {
  const DeduplicateReport report = Run({});
  EXPECT_EQ(report.documents, 5u);
  EXPECT_EQ(report.kept, 3u);
  EXPECT_EQ(report.clusters, 2u);
  const std::vector<Document> documents = Written();
  ASSERT_EQ(documents.size(), 3u);
  EXPECT_EQ(documents[0].id, "a");
  EXPECT_EQ(documents[0].title, "A");
  EXPECT_EQ(documents[0].text, "the first document of all these few words");
  EXPECT_EQ(documents[0].url, "http://x/a");
  EXPECT_EQ(documents[0].licence, "CC0");
  EXPECT_EQ(documents[0].date, "2024-05");
  EXPECT_EQ(documents[1].id, "b");
  EXPECT_EQ(documents[2].id, "d");
}

TEST_F(DeduplicateTest, TheReportNamesWhatWasDroppedAndWhatIsKeptInItsPlace) {
  DeduplicateOptions options;
  options.report = folder_ / "report.jsonl";
  Run(options);
  EXPECT_EQ(ReadFile(folder_ / "report.jsonl"),
            "{\"dropped\":\"c\",\"kept\":\"a\",\"similarity\":1.0}\n{\"dropped\":\"" + (folder_ / "in.jsonl").string() +
                ":5\",\"kept\":\"d\",\"similarity\":1.0}\n");
}

TEST_F(DeduplicateTest, TheBytesDependNeitherOnThreadsNorOnBatches) {
  Run({});
  const std::string bytes = ReadFile(folder_ / "out.jsonl");
  DeduplicateOptions options;
  options.memory_bytes = 1;
  ThreadPool pool(1);
  DeduplicateDocuments({folder_ / "in.jsonl"}, folder_ / "out.jsonl", options, pool);
  EXPECT_EQ(ReadFile(folder_ / "out.jsonl"), bytes);
}

TEST_F(DeduplicateTest, StandardInputIsRefused) {
  ThreadPool pool(1);
  EXPECT_ERROR(DeduplicateDocuments({"-"}, folder_ / "out.jsonl", {}, pool), ErrorCode::kInvalidArgument, "twice");
}

TEST_F(DeduplicateTest, AFileThatChangesBetweenTheTwoReadingsIsFound) {
  ThreadPool pool(1);
  const DuplicateScan scan = ScanForDuplicates({folder_ / "in.jsonl"}, {}, {}, size_t{1} << 20, pool);
  scan.RequireSame(scan.read);
  ReaderReport changed = scan.read;
  changed.files[0].xxh3 = "0000000000000000";
  EXPECT_ERROR(scan.RequireSame(changed), ErrorCode::kUnavailable, "in.jsonl");
  changed.files.clear();
  EXPECT_ERROR(scan.RequireSame(changed), ErrorCode::kUnavailable, "in.jsonl");
}

TEST_F(DeduplicateTest, ACorpusIsBuiltOfTheKeptDocumentsOnly) {
  ThreadPool pool(2);
  CorpusOptions options;
  options.near_duplicates.emplace();
  const ByteTokenizer tokenizer;
  const Manifest manifest = BuildCorpus({folder_ / "in.jsonl"}, tokenizer, folder_ / "corpus", options, pool);
  EXPECT_EQ(manifest.counts["documents"], 3);
  EXPECT_EQ(manifest.counts["problems"]["near duplicate"]["count"], 2);
  const Corpus corpus(folder_ / "corpus");
  EXPECT_EQ(corpus.Info({1}).id, "b");
  EXPECT_TRUE(FindCorpus({folder_ / "in.jsonl"}, tokenizer, folder_ / "corpus", options).has_value());
  EXPECT_FALSE(FindCorpus({folder_ / "in.jsonl"}, tokenizer, folder_ / "corpus", {}).has_value());
}

TEST_F(DeduplicateTest, WhereTheFirstOfAClusterIsLeftOutForItsIdTheNextOneIsKept) {
  WriteFileAtomically(folder_ / "in.jsonl", R"({"id":"a","text":"one text"})"
                                            "\n"
                                            R"({"id":"a","text":"quite another text"})"
                                            "\n"
                                            R"({"id":"b","text":"Quite another text"})"
                                            "\n"
                                            R"({"id":"c","text":"quite another TEXT"})"
                                            "\n");
  ThreadPool pool(2);
  CorpusOptions options;
  options.near_duplicates.emplace();
  BuildCorpus({folder_ / "in.jsonl"}, ByteTokenizer(), folder_ / "corpus", options, pool);
  const Corpus corpus(folder_ / "corpus");
  ASSERT_EQ(corpus.num_documents(), 2u);
  EXPECT_EQ(corpus.Info({0}).id, "a");
  EXPECT_EQ(corpus.Info({1}).id, "b");
}

}  // namespace
}  // namespace retro
