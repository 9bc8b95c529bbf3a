#include "retriever/retrieval_database.h"

#include <thread>

#include "core/file.h"
#include "core/thread_pool.h"
#include "core/utf8.h"
#include "retriever/passage_text.h"
#include "tests/retriever/numbered_database.h"
#include "tests/retriever/random_vectors.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/hashing_embedder.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

class RetrievalDatabaseTest : public testing::Test {
 protected:
  RetrievalDatabaseTest() { WriteDatabase(folder_, texts_, true); }

  void Open(const fs::path& folder, RetrievalDatabase::Verify verify = RetrievalDatabase::Verify::kChecksums) {
    database_ =
        std::make_unique<RetrievalDatabase>(folder, MakeHashingEmbedder(), std::make_shared<ByteTokenizer>(), verify);
  }

  const std::vector<std::string> texts_ = {"The otter sleeps in the river, holding hands.", "", "A zebra has stripes.",
                                           "Kestrels hover"};
  TempDir dir_;
  fs::path folder_ = dir_ / "db";
  ThreadPool pool_{2};
  std::unique_ptr<RetrievalDatabase> database_;
};

TEST_F(RetrievalDatabaseTest, FindsAChunkByItsOwnTextWithItsSource) {
  Open(folder_);
  const auto passages = database_->SearchPassages("A zebra has stri", {.k = 3}, false, pool_);
  ASSERT_EQ(passages.size(), 3u);
  EXPECT_EQ(passages[0].text, "A zebra has stri");
  EXPECT_EQ(passages[0].document.title, "Title 2");
  EXPECT_EQ(passages[0].chunk.value, 3u);
  EXPECT_EQ(passages[0].position, 0u);
  EXPECT_NEAR(passages[0].score, 1, 1e-3);
  EXPECT_GE(passages[0].score, passages[1].score);
}

TEST_F(RetrievalDatabaseTest, AContinuationEndsWithItsDocument) {
  Open(folder_);
  const auto text = [&](const char* query) { return database_->SearchPassages(query, {.k = 1}, true, pool_)[0].text; };
  EXPECT_EQ(text("The otter sleeps"), "The otter sleeps in the river, h");
  EXPECT_EQ(text("A zebra has stri"), texts_[2]);
  EXPECT_EQ(text("Kestrels hover"), texts_[3]);
  EXPECT_EQ(text("olding hands."), "olding hands.");
}

TEST_F(RetrievalDatabaseTest, AnswersTheSameWithAndWithoutEmbeddings) {
  WriteDatabase(dir_ / "bare", texts_, false);
  const std::vector<std::string_view> queries = {"otter", "stripes", "hover"};
  Open(folder_);
  EXPECT_TRUE(database_->manifest().files.contains("embeddings/block-00000.embeddings"));
  const auto with = database_->Search(queries, {.k = 4}, pool_);
  Open(dir_ / "bare");
  EXPECT_FALSE(database_->manifest().files.contains("embeddings/block-00000.embeddings"));
  const auto without = database_->Search(queries, {.k = 4}, pool_);
  for (size_t i = 0; i < queries.size(); ++i) {
    for (size_t j = 0; j < with[i].size(); ++j) {
      EXPECT_NEAR(with[i][j].distance, without[i][j].distance, 2e-3);
    }
  }
}

TEST_F(RetrievalDatabaseTest, GivesAllChunksWhenKIsLarger) {
  Open(folder_);
  EXPECT_EQ(database_->SearchPassages("x", {.k = 1000}, false, pool_).size(), 6u);
  EXPECT_ERROR(database_->SearchPassages("x", {.k = 0}, false, pool_), ErrorCode::kInvalidArgument, "k is 0");
}

TEST_F(RetrievalDatabaseTest, SeveralThreadsSearchAtOnce) {
  Open(folder_);
  std::vector<std::string> found(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] {
      ThreadPool own(1);
      found[i] = database_->SearchPassages("A zebra has stri", {.k = 1}, true, own)[0].text;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(found, std::vector<std::string>(4, texts_[2]));
}

TEST_F(RetrievalDatabaseTest, RefusesEveryFileThatIsFlippedTruncatedOrMissing) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
    if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path());
  }
  ASSERT_GE(files.size(), 9u);
  for (const fs::path& file : files) {
    const std::string whole = ReadFile(file), name = file.filename().string();
    std::string flipped = whole;
    flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 4);
    WriteFileAtomically(file, flipped);
    EXPECT_ERROR(Open(folder_), ErrorCode::kCorruption, name);
    WriteFileAtomically(file, whole.substr(0, whole.size() - 1));
    EXPECT_ERROR(Open(folder_), ErrorCode::kCorruption, name);
    EXPECT_ERROR(Open(folder_, RetrievalDatabase::Verify::kSizes), ErrorCode::kCorruption, name);
    fs::remove(file);
    EXPECT_ERROR(Open(folder_), ErrorCode::kNotFound, name);
    WriteFileAtomically(file, whole);
  }
  Open(folder_);
}

TEST_F(RetrievalDatabaseTest, RefusesFilesOfAnotherDatabase) {
  WriteDatabase(dir_ / "other", {"Something else altogether.", "And more of it"}, true);
  for (const char* file : {"vectors.index", "embeddings/block-00000.embeddings", "chunks/CURRENT"}) {
    const std::string own = ReadFile(folder_ / file), others = ReadFile(dir_ / "other" / file);
    if (own == others) continue;
    WriteFileAtomically(folder_ / file, others);
    EXPECT_ERROR(Open(folder_), ErrorCode::kCorruption, file);
    WriteFileAtomically(folder_ / file, own);
  }
}

TEST_F(RetrievalDatabaseTest, RefusesAnIndexAndAStoreOfTwoBuildsEvenWhenTheManifestAgrees) {
  WriteDatabase(dir_ / "other", {"Something else altogether.", "And more of it"}, true);
  fs::copy_file(dir_ / "other" / "vectors.index", folder_ / "vectors.index", fs::copy_options::overwrite_existing);
  Manifest manifest = Manifest::Load(folder_, "retrieval database");
  manifest.AddFile(folder_, "vectors.index");
  manifest.Save(folder_);
  EXPECT_ERROR(Open(folder_), ErrorCode::kCorruption, "has 3 vectors");
}

TEST_F(RetrievalDatabaseTest, RefusesFilesThatTheManifestDoesNotList) {
  WriteFileAtomically(folder_ / "chunks" / "000099.log", "unchecked");
  EXPECT_ERROR(Open(folder_), ErrorCode::kCorruption, "000099.log");
  fs::remove(folder_ / "chunks" / "000099.log");
  Manifest manifest = Manifest::Load(folder_, "retrieval database");
  manifest.files.erase("vectors.index");
  manifest.Save(folder_);
  EXPECT_ERROR(Open(folder_), ErrorCode::kCorruption, "vectors.index");
}

TEST_F(RetrievalDatabaseTest, RefusesAnotherEmbedderOrTokenizerAndShowsBothFingerprints) {
  const auto other_embedder = MakeHashingEmbedder(5);
  EXPECT_ERROR(RetrievalDatabase(folder_, other_embedder, std::make_shared<ByteTokenizer>()),
               ErrorCode::kInvalidArgument, other_embedder->fingerprint());
  EXPECT_ERROR(RetrievalDatabase(folder_, other_embedder, std::make_shared<ByteTokenizer>()),
               ErrorCode::kInvalidArgument, MakeHashingEmbedder()->fingerprint());
  EXPECT_ERROR(RetrievalDatabase(folder_, MakeHashingEmbedder(), std::make_shared<ByteTokenizer>(300)),
               ErrorCode::kInvalidArgument, "bytes 257, that of the given one bytes 300");
}

TEST_F(RetrievalDatabaseTest, RefusesAFolderWithoutAManifest) {
  EXPECT_ERROR(Open(dir_ / "nothing"), ErrorCode::kNotFound, "nothing");
}

TEST(PassageText, LeavesOutWhatTheEndsOfTheChunkCut) {
  const ByteTokenizer tokenizer;
  const std::string text = "\xa9t\xc3\xa9, na\xc3";  // "étè, naï" cut inside its first and last letter
  EXPECT_EQ(PassageText(tokenizer, tokenizer.Encode(text)), "t\xc3\xa9, na");
  EXPECT_EQ(PassageText(tokenizer, tokenizer.Encode("\xc3")), "");
  EXPECT_TRUE(IsValidUtf8(PassageText(tokenizer, tokenizer.Encode("\xff \x80\x80\x80\x80"))));
}

}  // namespace
}  // namespace retro
