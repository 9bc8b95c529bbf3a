#include "datasets/corpus.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/interrupt.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "datasets/document_ids.h"
#include "tests/testing/byte_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

class CorpusTest : public ::testing::Test {
 protected:
  void SetUp() override { Progress::SetEnabled(false); }

  // A file of documents "0", "1", ... with texts of different lengths.
  fs::path WriteDocuments(const std::string& name, int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      lines += nlohmann::json{{"id", std::to_string(i)},
                              {"title", "title " + std::to_string(i)},
                              {"text", TextOf(i)},
                              {"url", "http://x/" + std::to_string(i)}}
                   .dump() +
               "\n";
    }
    WriteText(folder_ / name, lines);
    return folder_ / name;
  }

  static std::string TextOf(int i) {
    return std::string(static_cast<size_t>(1 + i * 37 % 101), static_cast<char>('a' + i % 26));
  }

  Manifest Build(const std::vector<fs::path>& inputs, const fs::path& out, const CorpusOptions& options = {},
                 const Tokenizer& tokenizer = ByteTokenizer()) {
    ThreadPool pool(3);
    return BuildCorpus(inputs, tokenizer, out, options, pool);
  }

  static std::string TextIn(const Corpus& corpus, uint64_t document) {
    std::vector<TokenId> tokens;
    corpus.AppendTokens({document}, tokens);
    return ByteTokenizer(70'000).Decode(tokens);
  }

  // Relative path -> bytes of every file below a folder.
  static std::map<std::string, std::string> Files(const fs::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) files[fs::relative(entry.path(), folder)] = ReadText(entry.path());
    }
    return files;
  }

  TempDir folder_;
};

TEST_F(CorpusTest, DocumentsComeBackInOrderWithTheirInfo) {
  const Manifest manifest = Build({WriteDocuments("x.jsonl", 50)}, folder_ / "out");
  const Corpus corpus(folder_ / "out");
  ASSERT_EQ(corpus.num_documents(), 50u);
  uint64_t tokens = 0;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(TextIn(corpus, i), TextOf(i));
    EXPECT_EQ(corpus.DocumentLength({static_cast<uint64_t>(i)}), TextOf(i).size());
    const DocumentInfo info = corpus.Info({static_cast<uint64_t>(i)});
    EXPECT_EQ(info.id, std::to_string(i));
    EXPECT_EQ(info.title, "title " + std::to_string(i));
    EXPECT_EQ(info.url, "http://x/" + std::to_string(i));
    EXPECT_EQ(info.licence, "");
    tokens += TextOf(i).size();
  }
  EXPECT_EQ(corpus.num_tokens(), tokens);
  EXPECT_EQ(manifest.counts["tokens"], tokens);
  EXPECT_EQ(manifest.fingerprints["tokenizer"], "bytes 257");
  EXPECT_EQ(manifest.inputs.begin()->at("bytes"), fs::file_size(folder_ / "x.jsonl"));
  EXPECT_ERROR(corpus.Info({50}), ErrorCode::kNotFound, "50");
}

TEST_F(CorpusTest, AVocabularyBeyond16BitsIsStoredIn32) {
  const fs::path input = WriteDocuments("x.jsonl", 5);
  const CorpusOptions options{.append_eos = true};
  Build({input}, folder_ / "wide", options, ByteTokenizer(65'537));
  Build({input}, folder_ / "narrow", options, ByteTokenizer(65'536));
  for (const auto& [name, eos] : {std::pair{"wide", 65'536}, std::pair{"narrow", 65'535}}) {
    std::vector<TokenId> tokens;
    Corpus(folder_ / name).AppendTokens({4}, tokens);
    EXPECT_EQ(tokens.size(), TextOf(4).size() + 1);
    EXPECT_EQ(tokens.back(), eos);
  }
  EXPECT_GT(fs::file_size(folder_ / "wide/train/shard-00000.tokens"),
            fs::file_size(folder_ / "narrow/train/shard-00000.tokens"));
}

TEST_F(CorpusTest, BytesAreTheSameForAnyNumberOfThreadsAndBatches) {
  const fs::path input = WriteDocuments("x.jsonl", 300);
  CorpusOptions options{.valid_fraction = 0.1, .test_fraction = 0.1, .max_shard_tokens = 1000};
  ThreadPool one(1), many(4);
  BuildCorpus({input}, ByteTokenizer(), folder_ / "one", options, one);
  options.memory_bytes = 1;
  BuildCorpus({input}, ByteTokenizer(), folder_ / "many", options, many);
  EXPECT_EQ(Files(folder_ / "one"), Files(folder_ / "many"));
}

TEST_F(CorpusTest, ShardsEndBetweenDocumentsAndTheCorpusReadsAcrossThem) {
  const Manifest manifest = Build({WriteDocuments("x.jsonl", 100)}, folder_ / "out", {.max_shard_tokens = 200});
  EXPECT_GT(manifest.counts["parts"]["train"]["shards"], 20);
  const Corpus corpus(folder_ / "out");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(TextIn(corpus, i), TextOf(i));
}

TEST_F(CorpusTest, EveryDocumentIsInExactlyOnePart) {
  Build({WriteDocuments("x.jsonl", 300)}, folder_ / "out", {.valid_fraction = 0.2, .test_fraction = 0.2});
  std::set<std::string> seen;
  uint64_t documents = 0;
  for (const std::string part : {"train", "valid", "test"}) {
    const Corpus corpus(folder_ / "out", part);
    EXPECT_GT(corpus.num_documents(), 20u);
    documents += corpus.num_documents();
    for (uint64_t i = 0; i < corpus.num_documents(); ++i) seen.insert(corpus.Info({i}).id);
  }
  EXPECT_EQ(documents, 300u);
  EXPECT_EQ(seen.size(), 300u);
  EXPECT_ERROR(Corpus(folder_ / "out", "dev"), ErrorCode::kNotFound, "dev");
}

TEST_F(CorpusTest, TheSameBuildAgainDoesNothing) {
  const fs::path input = WriteDocuments("x.jsonl", 10);
  Build({input}, folder_ / "out");
  const auto written = fs::last_write_time(folder_ / "out/manifest.json");
  WriteText(folder_ / "out/note", "still here");
  Build({input}, folder_ / "out");
  EXPECT_EQ(fs::last_write_time(folder_ / "out/manifest.json"), written);
  EXPECT_TRUE(fs::exists(folder_ / "out/note"));
}

TEST_F(CorpusTest, AChangedInputOptionOrTokenizerIsBuiltAnew) {
  const fs::path input = WriteDocuments("x.jsonl", 10);
  Build({input}, folder_ / "out");
  std::string text = ReadText(input);
  text[text.find("\"a\"") + 1] = 'Z';  // same size
  WriteText(input, text);
  Build({input}, folder_ / "out");
  EXPECT_EQ(TextIn(Corpus(folder_ / "out"), 0)[0], 'Z');
  Build({input}, folder_ / "out", {.append_eos = true});
  EXPECT_EQ(Corpus(folder_ / "out").DocumentLength({0}), TextOf(0).size() + 1);
  Build({input}, folder_ / "out", {}, ByteTokenizer(300));
  EXPECT_EQ(Corpus(folder_ / "out").manifest().fingerprints["vocab_size"], 300);
}

TEST_F(CorpusTest, ADamagedCorpusIsBuiltAgain) {
  const fs::path input = WriteDocuments("x.jsonl", 10);
  Build({input}, folder_ / "out");
  fs::resize_file(folder_ / "out/train/shard-00000.tokens", 70);
  EXPECT_ERROR(Corpus(folder_ / "out"), ErrorCode::kCorruption, "shard-00000.tokens");
  Build({input}, folder_ / "out");
  EXPECT_EQ(Corpus(folder_ / "out").num_documents(), 10u);
}

TEST_F(CorpusTest, AFailedBuildLeavesTheOldCorpusWholeAndNothingBesideIt) {
  const fs::path input = WriteDocuments("x.jsonl", 10);
  Build({input}, folder_ / "out");
  const auto before = Files(folder_ / "out");
  WriteText(folder_ / "bad.jsonl", ReadText(input) + "not json\n");
  EXPECT_ERROR(Build({folder_ / "bad.jsonl"}, folder_ / "out", {.reader = {.on_bad_input = BadInput::kStop}}),
               ErrorCode::kCorruption, "bad.jsonl:11");
  EXPECT_EQ(Files(folder_ / "out"), before);
  EXPECT_FALSE(fs::exists(folder_ / "out.building"));
}

TEST_F(CorpusTest, AnInterruptedBuildLeavesNoCorpus) {
  const fs::path input = WriteDocuments("x.jsonl", 10);
  SetInterrupted(true);
  EXPECT_ERROR(Build({input}, folder_ / "out"), ErrorCode::kUnavailable, "");
  SetInterrupted(false);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_EQ(Build({input}, folder_ / "out").counts["documents"], 10);
}

TEST_F(CorpusTest, DuplicateIdsAreSkippedAndCountedOrStopTheBuild) {
  const fs::path input = WriteDocuments("x.jsonl", 10);
  WriteText(folder_ / "y.jsonl", "{\"id\": \"3\", \"text\": \"again\"}\n{\"id\": \"new\", \"text\": \"n\"}\n");
  const Manifest manifest = Build({input, folder_ / "y.jsonl"}, folder_ / "out");
  EXPECT_EQ(manifest.counts["documents"], 11);
  EXPECT_EQ(manifest.counts["problems"]["duplicate id"]["count"], 1);
  EXPECT_EQ(TextIn(Corpus(folder_ / "out"), 3), TextOf(3));
  EXPECT_ERROR(
      Build({input, folder_ / "y.jsonl"}, folder_ / "stop", {.on_duplicate_id = CorpusOptions::Duplicates::kStop}),
      ErrorCode::kInvalidArgument, "\"3\" occurs twice");
}

TEST_F(CorpusTest, AnEmptyCorpusIsRefusedWithTheReason) {
  WriteText(folder_ / "x.jsonl", "{\"id\": \"a\"}\n");
  EXPECT_ERROR(Build({folder_ / "x.jsonl"}, folder_ / "out"), ErrorCode::kInvalidArgument, "no document with text");
  EXPECT_ERROR(Build({folder_ / "x.jsonl"}, folder_ / "out"), ErrorCode::kInvalidArgument, "1 x no text");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(CorpusTest, AFolderOfOtherFilesIsNotReplaced) {
  const fs::path input = WriteDocuments("x.jsonl", 3);
  WriteText(folder_ / "mine/thesis.txt", "years of work");
  EXPECT_ERROR(Build({input}, folder_ / "mine"), ErrorCode::kInvalidArgument, "no manifest.json");
  EXPECT_EQ(ReadText(folder_ / "mine/thesis.txt"), "years of work");
}

TEST_F(CorpusTest, FilesOfDifferentBuildsAreNotMixed) {
  Build({WriteDocuments("x.jsonl", 10)}, folder_ / "ten");
  Build({WriteDocuments("y.jsonl", 9)}, folder_ / "nine");
  fs::copy_file(folder_ / "nine/train/shard-00000.documents", folder_ / "ten/train/shard-00000.documents",
                fs::copy_options::overwrite_existing);
  EXPECT_ERROR(Corpus(folder_ / "ten"), ErrorCode::kCorruption, "shard-00000.documents");
}

TEST_F(CorpusTest, DocumentEndsThatGoBackwardsAreCorruptionNotACrash) {
  Build({WriteDocuments("x.jsonl", 10)}, folder_ / "out");
  const fs::path path = folder_ / "out/train/shard-00000.documents";
  std::string bytes = ReadText(path);
  bytes.replace(64 + 3 * 16, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8);  // where document 3 ends
  WriteText(path, bytes);
  const Corpus corpus(folder_ / "out");
  std::vector<TokenId> tokens;
  EXPECT_ERROR(corpus.AppendTokens({3}, tokens), ErrorCode::kCorruption, "document 3");
  EXPECT_ERROR(corpus.Info({4}), ErrorCode::kCorruption, "document 4");
}

TEST_F(CorpusTest, ImpossibleOptionsAreRefused) {
  const fs::path input = WriteDocuments("x.jsonl", 3);
  EXPECT_ERROR(Build({input}, folder_ / "out", {.valid_fraction = 2}), ErrorCode::kInvalidArgument, "fraction");
  EXPECT_ERROR(Build({input}, folder_ / "out", {.max_shard_tokens = 0}), ErrorCode::kInvalidArgument,
               "max_shard_tokens");
}

TEST(DocumentIds, KnowsWhatItHasSeen) {
  DocumentIds ids;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(ids.Insert(std::to_string(i)));
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(ids.Insert(std::to_string(i)));
  EXPECT_EQ(ids.size(), 10'000u);
}

}  // namespace
}  // namespace retro
