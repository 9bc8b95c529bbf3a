#include "retriever/chunk_store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <numeric>
#include <random>
#include <thread>

#include "core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kChunkLen = 4;
constexpr uint32_t kVocabSize = 1000;

using Documents = std::vector<std::vector<TokenId>>;

// Token counts that hit every case: empty, one short chunk, whole chunks only, and one longer than a record.
Documents SomeDocuments() {
  Documents documents;
  TokenId next = 0;
  for (const size_t length : {9, 0, 3, 8, 400, 0, 1, 130, 4, 5}) {
    documents.emplace_back(length);
    for (TokenId& token : documents.back()) token = next++ % kVocabSize;
  }
  return documents;
}

DocumentInfo Info(uint64_t document) {
  const std::string number = std::to_string(document);
  return {"id-" + number, "Title " + number, "source", "https://example.org/" + number, "CC0"};
}

void Write(const fs::path& folder, const Documents& documents, size_t block_documents,
           uint32_t vocab_size = kVocabSize) {
  ChunkStoreWriter writer(folder, kChunkLen, vocab_size);
  for (uint64_t i = writer.num_documents(); i < documents.size(); ++i) {
    writer.Append(Info(i), documents[i]);
    if ((i + 1) % block_documents == 0) writer.CommitBlock();
  }
  writer.CommitBlock();
  writer.Finish();
}

// Every chunk of the documents, with what follows it in its document.
struct Expected {
  ChunkRecord chunk;
  std::vector<TokenId> with_continuation;
};

std::vector<Expected> ExpectedChunks(const Documents& documents) {
  std::vector<Expected> chunks;
  for (uint64_t document = 0; document < documents.size(); ++document) {
    const auto& tokens = documents[document];
    for (size_t begin = 0; begin < tokens.size(); begin += kChunkLen) {
      const auto at = [&](size_t end) { return tokens.begin() + std::min(end, tokens.size()); };
      chunks.push_back({{{chunks.size()}, {document}, begin, {at(begin), at(begin + kChunkLen)}},
                        {at(begin), at(begin + 2 * kChunkLen)}});
    }
  }
  return chunks;
}

void ExpectHolds(const fs::path& folder, const Documents& documents) {
  const ChunkStore store(folder);
  const auto expected = ExpectedChunks(documents);
  ASSERT_EQ(store.num_chunks(), expected.size());
  ASSERT_EQ(store.num_documents(), documents.size());
  std::vector<ChunkId> ids(expected.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = {i};
  std::shuffle(ids.begin(), ids.end(), std::mt19937(1));
  std::vector<TokenId> tokens(ids.size() * 2 * kChunkLen, -1);
  std::vector<uint32_t> lengths(ids.size());
  store.GetNeighbours(ids, tokens, lengths);
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto& wanted = expected[ids[i].value];
    const auto begin = tokens.begin() + static_cast<int64_t>(i * 2 * kChunkLen);
    EXPECT_EQ(std::vector<TokenId>(begin, begin + lengths[i]), wanted.with_continuation) << ids[i].value;
    EXPECT_TRUE(std::all_of(begin + lengths[i], begin + 2 * kChunkLen, [](TokenId token) { return token == -1; }));
    const ChunkRecord chunk = store.Get(ids[i]);
    EXPECT_EQ(chunk.id, ids[i]);
    EXPECT_EQ(chunk.document, wanted.chunk.document);
    EXPECT_EQ(chunk.position, wanted.chunk.position);
    EXPECT_EQ(chunk.tokens, wanted.chunk.tokens);
  }
  for (uint64_t document = 0; document < documents.size(); ++document) {
    const DocumentInfo info = store.Document({document}), wanted = Info(document);
    EXPECT_EQ(info.id, wanted.id);
    EXPECT_EQ(info.title, wanted.title);
    EXPECT_EQ(info.source, wanted.source);
    EXPECT_EQ(info.url, wanted.url);
    EXPECT_EQ(info.licence, wanted.licence);
  }
}

// The tables that hold chunks: the larger ones.
fs::path LargestTable(const fs::path& folder) {
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".sst") continue;
    if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
  }
  return largest;
}

class ChunkStoreTest : public testing::Test {
 protected:
  TempDir dir_;
  Documents documents_ = SomeDocuments();
};

TEST_F(ChunkStoreTest, GivesBackChunksContinuationsAndDocumentsForAnyBlocks) {
  for (const size_t block_documents : {1, 3, 100}) {
    const auto folder = dir_ / ("blocks-of-" + std::to_string(block_documents));
    Write(folder, documents_, block_documents);
    ExpectHolds(folder, documents_);
  }
}

TEST_F(ChunkStoreTest, HoldsTokensAbove16Bits) {
  documents_[3] = {0, 65'535, 65'536, 199'999, 5};
  Write(dir_ / "store", documents_, 4, 200'000);
  ExpectHolds(dir_ / "store", documents_);
}

TEST_F(ChunkStoreTest, AContinuationNeverCrossesTheEndOfItsDocument) {
  Write(dir_ / "store", {{1, 2, 3, 4}, {5, 6, 7, 8}}, 100);
  const ChunkStore store(dir_ / "store");
  std::vector<TokenId> tokens(2 * kChunkLen, -1);
  uint32_t length = 0;
  const ChunkId first{0};
  store.GetNeighbours({&first, 1}, tokens, {&length, 1});
  EXPECT_EQ(length, 4u);
  EXPECT_EQ(tokens, (std::vector<TokenId>{1, 2, 3, 4, -1, -1, -1, -1}));
}

TEST_F(ChunkStoreTest, AnEmptyStoreHasNothingAndNamesWhatIsAskedFor) {
  Write(dir_ / "store", {}, 1);
  const ChunkStore store(dir_ / "store");
  EXPECT_EQ(store.num_chunks(), 0u);
  EXPECT_ERROR(store.Get({0}), ErrorCode::kNotFound, "chunk 0");
}

TEST_F(ChunkStoreTest, AnIdPastTheEndIsNamedAndNothingIsWritten) {
  Write(dir_ / "store", documents_, 3);
  const ChunkStore store(dir_ / "store");
  const std::vector<ChunkId> ids = {{0}, {987'654}};
  std::vector<TokenId> tokens(4 * kChunkLen, -1);
  std::vector<uint32_t> lengths(2);
  EXPECT_ERROR(store.GetNeighbours(ids, tokens, lengths), ErrorCode::kNotFound, "987654");
  EXPECT_EQ(tokens, std::vector<TokenId>(4 * kChunkLen, -1));
  EXPECT_ERROR(store.Document({1000}), ErrorCode::kNotFound, "document 1000");
  std::vector<ChunkRecord> chunks;
  EXPECT_ERROR(store.ReadRange({0}, UINT64_MAX, chunks), ErrorCode::kNotFound, "chunk");
  EXPECT_ERROR(store.ReadRange({5}, store.num_chunks() - 4, chunks), ErrorCode::kNotFound, "chunk");
}

TEST_F(ChunkStoreTest, ReadsRangesInOrder) {
  Write(dir_ / "store", documents_, 3);
  const ChunkStore store(dir_ / "store");
  const auto expected = ExpectedChunks(documents_);
  std::vector<ChunkRecord> chunks;
  store.ReadRange({2}, 90, chunks);
  ASSERT_EQ(chunks.size(), 90u);
  for (size_t i = 0; i < chunks.size(); ++i) EXPECT_EQ(chunks[i].tokens, expected[i + 2].chunk.tokens);
  store.ReadRange({3}, 0, chunks);
  EXPECT_TRUE(chunks.empty());
}

TEST_F(ChunkStoreTest, AWriterGoesOnAfterTheLastCommittedBlock) {
  {
    ChunkStoreWriter writer(dir_ / "store", kChunkLen, kVocabSize);
    for (uint64_t i = 0; i < 4; ++i) writer.Append(Info(i), documents_[i]);
    writer.CommitBlock();
    writer.Append(Info(4), documents_[4]);
    EXPECT_EQ(writer.num_documents(), 5u);
  }
  {
    const ChunkStoreWriter writer(dir_ / "store", kChunkLen, kVocabSize);
    EXPECT_EQ(writer.num_documents(), 4u);
    EXPECT_EQ(writer.num_chunks(), 6u);
  }
  Write(dir_ / "store", documents_, 3);
  ExpectHolds(dir_ / "store", documents_);
}

TEST_F(ChunkStoreTest, AKilledWriterLosesOnlyTheBlockThatItWasWriting) {
  const pid_t child = fork();
  if (child == 0) {
    ChunkStoreWriter writer(dir_ / "store", kChunkLen, kVocabSize);
    for (uint64_t i = 0; i < 4; ++i) writer.Append(Info(i), documents_[i]);
    writer.CommitBlock();
    writer.Append(Info(4), documents_[4]);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ExpectHolds(dir_ / "store", {documents_.begin(), documents_.begin() + 4});
  Write(dir_ / "store", documents_, 3);
  ExpectHolds(dir_ / "store", documents_);
}

TEST_F(ChunkStoreTest, RefusesToGoOnWithOtherSettings) {
  Write(dir_ / "store", documents_, 3);
  EXPECT_ERROR(ChunkStoreWriter(dir_ / "store", kChunkLen + 1, kVocabSize), ErrorCode::kInvalidArgument,
               "chunks of 4 tokens");
  EXPECT_ERROR(ChunkStoreWriter(dir_ / "store", kChunkLen, 5), ErrorCode::kInvalidArgument, "vocabulary of 1000");
  EXPECT_ERROR(ChunkStoreWriter(dir_ / "new", 0, 5), ErrorCode::kInvalidArgument, "chunk_len 0");
}

TEST_F(ChunkStoreTest, RefusesASecondWriter) {
  const ChunkStoreWriter writer(dir_ / "store", kChunkLen, kVocabSize);
  EXPECT_ERROR(ChunkStoreWriter(dir_ / "store", kChunkLen, kVocabSize), ErrorCode::kUnavailable, "store");
}

TEST_F(ChunkStoreTest, RefusesTokensOutsideTheVocabulary) {
  ChunkStoreWriter writer(dir_ / "store", kChunkLen, kVocabSize);
  EXPECT_ERROR(writer.Append(Info(0), std::vector<TokenId>{1, 1000}), ErrorCode::kInvalidArgument, "token 1000");
  EXPECT_ERROR(writer.Append(Info(0), std::vector<TokenId>{-1}), ErrorCode::kInvalidArgument, "token -1");
  EXPECT_EQ(writer.num_documents(), 0u);
}

TEST_F(ChunkStoreTest, AFinishedStoreHasNoLogsAndReadersChangeNothing) {
  Write(dir_ / "store", documents_, 3);
  const auto list = [&] {
    std::vector<std::pair<std::string, std::string>> files;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "store")) {
      EXPECT_EQ(entry.path().filename().string().find("LOG"), std::string::npos) << entry.path();
      if (entry.is_regular_file()) files.emplace_back(entry.path().string(), ReadFile(entry.path()));
    }
    std::sort(files.begin(), files.end());
    return files;
  };
  const auto before = list();
  ExpectHolds(dir_ / "store", documents_);
  EXPECT_EQ(before, list());
}

TEST_F(ChunkStoreTest, SeveralReadersReadAtOnce) {
  Write(dir_ / "store", documents_, 3);
  const ChunkStore one(dir_ / "store"), two(dir_ / "store");
  const auto expected = ExpectedChunks(documents_);
  std::vector<std::thread> threads;
  std::vector<size_t> wrong(4);
  for (size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const ChunkStore& store = thread % 2 ? one : two;
      for (const auto& wanted : expected) wrong[thread] += store.Get(wanted.chunk.id).tokens != wanted.chunk.tokens;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<size_t>(4));
}

TEST_F(ChunkStoreTest, RefusesAFolderThatIsNoStore) {
  EXPECT_ERROR(ChunkStore(dir_ / "nothing"), ErrorCode::kNotFound, "nothing");
  EXPECT_FALSE(fs::exists(dir_ / "nothing"));
}

TEST_F(ChunkStoreTest, FindsAFlippedByteInABlock) {
  Write(dir_ / "store", documents_, 100);
  const auto table = LargestTable(dir_ / "store");
  std::string bytes = ReadFile(table);
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  WriteFileAtomically(table, bytes);
  const ChunkStore store(dir_ / "store");
  EXPECT_ERROR(store.Get({3}), ErrorCode::kCorruption, "store");
}

TEST_F(ChunkStoreTest, FindsATruncatedOrMissingTable) {
  Write(dir_ / "store", documents_, 100);
  const auto table = LargestTable(dir_ / "store");
  fs::resize_file(table, fs::file_size(table) - 1);
  EXPECT_ERROR(ChunkStore(dir_ / "store"), ErrorCode::kCorruption, "store: cannot be opened");
  fs::remove(table);
  EXPECT_ERROR(ChunkStore(dir_ / "store"), ErrorCode::kCorruption, table.stem().string());
}

// Blocks of three documents, written last to first, each as if by a process of its own.
TEST(ChunkStore, BlocksWrittenApartAndIngestedAreTheStoreThatOneWriterMakes) {
  const TempDir temp;
  const Documents documents = SomeDocuments();
  std::vector<ChunkBlock> blocks(1);
  for (size_t document = 0; document < documents.size(); ++document) {
    if (blocks.back().num_documents == 3) blocks.push_back(blocks.back().Next());
    blocks.back().Count((documents[document].size() + kChunkLen - 1) / kChunkLen);
  }
  for (size_t number = blocks.size(); number-- > 0;) {
    const ChunkBlock& block = blocks[number];
    fs::create_directory(temp / std::to_string(number));
    ChunkBlockWriter writer(temp / std::to_string(number), kChunkLen, kVocabSize,
                            {block.first_document, 0, block.first_chunk, 0, block.first_record, 0});
    for (uint64_t i = block.first_document; i < block.Next().first_document; ++i) writer.Append(Info(i), documents[i]);
    writer.Finish();
    EXPECT_EQ(writer.block().num_records, block.num_records);
  }
  ChunkStoreWriter writer(temp / "ingested", kChunkLen, kVocabSize);
  EXPECT_ERROR(writer.Ingest(temp / "1", blocks[1]), ErrorCode::kInternal, "was ingested at 0");
  for (size_t number = 0; number < blocks.size(); ++number) {
    writer.Ingest(temp / std::to_string(number), blocks[number]);
    EXPECT_TRUE(fs::exists(temp / std::to_string(number) / "documents.sst"));
  }
  writer.Finish();
  Write(temp / "written", documents, 3);
  const ChunkStore ingested(temp / "ingested"), written(temp / "written");
  ASSERT_EQ(ingested.num_chunks(), written.num_chunks());
  for (uint64_t id = 0; id < written.num_chunks(); ++id) {
    EXPECT_EQ(ingested.Get({id}).tokens, written.Get({id}).tokens);
    EXPECT_EQ(ingested.Get({id}).position, written.Get({id}).position);
  }
  for (uint64_t i = 0; i < documents.size(); ++i) EXPECT_EQ(ingested.Document({i}).id, Info(i).id);
}

TEST(ChunkStore, TheContentsOfABlockHaveOneChecksumWhereverItIsWritten) {
  const TempDir temp;
  std::vector<std::string> checksums;
  for (const std::string name : {"one", "two", "other"}) {
    fs::create_directory(temp / name);
    ChunkBlockWriter writer(temp / name, kChunkLen, kVocabSize, {});
    writer.Append(Info(0), std::vector<TokenId>{1, 2, 3, name == "other" ? 5 : 4});
    writer.Finish();
    checksums.push_back(writer.contents_xxh3());
  }
  EXPECT_EQ(checksums[0], checksums[1]);
  EXPECT_NE(checksums[0], checksums[2]);
}

}  // namespace
}  // namespace retro
