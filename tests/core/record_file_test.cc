#include "core/record_file.h"

#include <fstream>
#include <vector>

#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/overwrite.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

struct Pair {
  uint32_t a, b;
  bool operator==(const Pair&) const = default;
};

constexpr RecordFormat kPairs = {.kind = "pairs", .version = 3, .record_bytes = sizeof(Pair)};
constexpr size_t kHeaderBytes = 64;

std::vector<Pair> SomePairs(size_t count) {
  std::vector<Pair> pairs;
  for (uint32_t i = 0; i < count; ++i) pairs.push_back({i, i * 2654435761u});
  return pairs;
}

void WritePairs(const fs::path& path, const std::vector<Pair>& pairs) {
  RecordFileWriter writer(path, kPairs);
  writer.Append(std::span<const Pair>(pairs));
  writer.Finish();
}

// Opens the file and reads its checksum, as every reader of untrusted files does.
void OpenAndVerify(const fs::path& path) { RecordFile(path, kPairs).VerifyChecksum(); }

TEST(RecordFile, RecordsAreReadBackAsTheyWereWritten) {
  const TempDir dir;
  for (const size_t count : {0, 1, 2, 1000, 100000}) {
    const auto pairs = SomePairs(count);
    WritePairs(dir / "pairs", pairs);
    const RecordFile file(dir / "pairs", kPairs);
    EXPECT_EQ(file.num_records(), count);
    const auto records = file.Records<Pair>();
    EXPECT_EQ(std::vector<Pair>(records.begin(), records.end()), pairs);
    EXPECT_EQ(file.Records<uint32_t>().size(), 2 * count);
    EXPECT_NO_THROW(file.VerifyChecksum());
  }
}

TEST(RecordFile, TheBytesDoNotDependOnHowTheRecordsWereAppended) {
  const TempDir dir;
  const auto pairs = SomePairs(1000);
  WritePairs(dir / "at-once", pairs);
  RecordFileWriter writer(dir / "one-by-one", kPairs);
  for (const Pair& pair : pairs) writer.Append(std::span(&pair, 1));
  EXPECT_EQ(writer.num_records(), 1000u);
  writer.Finish();
  EXPECT_EQ(ReadFile(dir / "one-by-one"), ReadFile(dir / "at-once"));
}

// The layout of docs/formats.md, byte by byte: a change of it needs a new version there.
TEST(RecordFile, HasTheDocumentedLayout) {
  const TempDir dir;
  WritePairs(dir / "pairs", {{1, 2}});
  const std::string content(
      "RETROREC"
      "pairs\0\0\0\0\0\0\0\0\0\0\0"
      "\3\0\0\0"
      "\10\0\0\0"
      "\1\0\0\0\0\0\0\0"
      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
      "\1\0\0\0\2\0\0\0",
      72);
  const std::string bytes = ReadFile(dir / "pairs");
  EXPECT_EQ(bytes.substr(0, 72), content);
  const uint64_t checksum = HashBytes(content.substr(64) + content.substr(0, 64));
  EXPECT_EQ(bytes.substr(72), std::string(reinterpret_cast<const char*>(&checksum), 8));
}

TEST(RecordFile, AnyChangedBitOfTheHeaderIsRefusedAtOpening) {
  const TempDir dir;
  WritePairs(dir / "pairs", SomePairs(5));
  const std::string good = ReadFile(dir / "pairs");
  for (size_t bit = 0; bit < kHeaderBytes * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    Overwrite(dir / "pairs", bad);
    EXPECT_ERROR(RecordFile(dir / "pairs", kPairs), ErrorCode::kCorruption, (dir / "pairs").string());
  }
}

TEST(RecordFile, AnyChangedBitOfTheRecordsOrTheChecksumIsFoundByVerify) {
  const TempDir dir;
  WritePairs(dir / "pairs", SomePairs(5));
  const std::string good = ReadFile(dir / "pairs");
  for (size_t bit = kHeaderBytes * 8; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    Overwrite(dir / "pairs", bad);
    EXPECT_ERROR(OpenAndVerify(dir / "pairs"), ErrorCode::kCorruption, "checksum disagrees");
  }
}

TEST(RecordFile, AnyTruncationAndAnyTailAreRefusedAtOpening) {
  const TempDir dir;
  WritePairs(dir / "pairs", SomePairs(5));
  const std::string good = ReadFile(dir / "pairs");
  for (size_t size = 0; size < good.size(); ++size) {
    Overwrite(dir / "pairs", good.substr(0, size));
    EXPECT_ERROR(RecordFile(dir / "pairs", kPairs), ErrorCode::kCorruption, "cut short?");
  }
  for (const size_t tail : {1, 7, 8, 16, 4096}) {
    Overwrite(dir / "pairs", good + std::string(tail, '\0'));
    EXPECT_ERROR(RecordFile(dir / "pairs", kPairs), ErrorCode::kCorruption, "its count is 5 records");
  }
}

// 2^61 + 5 records of 8 bytes are 40 bytes modulo 2^64, which is what the file has.
TEST(RecordFile, ACountWhoseBytesOverflowIsRefused) {
  const TempDir dir;
  WritePairs(dir / "pairs", SomePairs(5));
  std::string bytes = ReadFile(dir / "pairs");
  bytes[39] = '\x20';
  Overwrite(dir / "pairs", bytes);
  EXPECT_ERROR(RecordFile(dir / "pairs", kPairs), ErrorCode::kCorruption, "its count is 2305843009213693957 records");
}

TEST(RecordFile, AnotherKindVersionOrRecordSizeIsRefusedByName) {
  const TempDir dir;
  WritePairs(dir / "pairs", SomePairs(4));
  const auto open = [&](RecordFormat format) { RecordFile(dir / "pairs", format); };
  EXPECT_ERROR(open({.kind = "triples", .version = 3, .record_bytes = 8}), ErrorCode::kCorruption,
               "its kind is 'pairs', not 'triples'");
  EXPECT_ERROR(open({.kind = "pair", .version = 3, .record_bytes = 8}), ErrorCode::kCorruption, "its kind is 'pairs'");
  EXPECT_ERROR(open({.kind = "pairs", .version = 4, .record_bytes = 8}), ErrorCode::kCorruption,
               "its version is 3, this program reads version 4");
  EXPECT_ERROR(open({.kind = "pairs", .version = 3, .record_bytes = 16}), ErrorCode::kCorruption,
               "its record size is 8 bytes, not 16");
}

TEST(RecordFile, AForeignFileIsRefused) {
  const TempDir dir;
  Overwrite(dir / "pairs", std::string(1000, 'z'));
  EXPECT_ERROR(RecordFile(dir / "pairs", kPairs), ErrorCode::kCorruption, "magic number");
  EXPECT_ERROR(RecordFile(dir / "nothing", kPairs), ErrorCode::kNotFound, "nothing");
}

TEST(RecordFile, RecordsAreNotReadAsATypeThatDoesNotDivideThem) {
  const TempDir dir;
  WritePairs(dir / "pairs", SomePairs(4));
  const RecordFile file(dir / "pairs", kPairs);
  struct Five {
    char bytes[5];
  };
  EXPECT_ERROR(file.Records<Five>(), ErrorCode::kInternal, "read as 5");
}

TEST(RecordFileWriter, RefusesPartOfARecordAndAFormatWithoutSense) {
  const TempDir dir;
  RecordFileWriter writer(dir / "pairs", kPairs);
  EXPECT_ERROR(writer.Append(std::vector<std::byte>(12)), ErrorCode::kInternal, "12 bytes");
  const auto open = [&](RecordFormat format) { RecordFileWriter(dir / "new", format); };
  EXPECT_ERROR(open({.kind = "", .version = 1, .record_bytes = 8}), ErrorCode::kInternal, "kind of 1 to 15");
  EXPECT_ERROR(open({.kind = "sixteen letters!", .version = 1, .record_bytes = 8}), ErrorCode::kInternal, "kind of 1");
  EXPECT_ERROR(open({.kind = "pairs", .version = 1, .record_bytes = 0}), ErrorCode::kInternal, "0 bytes");
}

TEST(RecordFileWriter, WithoutFinishTheOldFileStays) {
  const TempDir dir;
  WritePairs(dir / "pairs", SomePairs(3));
  {
    RecordFileWriter writer(dir / "pairs", kPairs);
    writer.Append(std::span<const Pair>(SomePairs(50)));
  }
  EXPECT_EQ(RecordFile(dir / "pairs", kPairs).num_records(), 3u);
}

TEST(RecordFileWriter, OnAFullDiskTheOldFileStays) {
  const TempDir dir;
  WritePairs(dir / "pairs", SomePairs(3));
  {
    const FileSizeLimit limit(10000);
    EXPECT_ERROR(WritePairs(dir / "pairs", SomePairs(5000)), ErrorCode::kIo, (dir / "pairs").string());
  }
  EXPECT_NO_THROW(OpenAndVerify(dir / "pairs"));
}

}  // namespace
}  // namespace retro
