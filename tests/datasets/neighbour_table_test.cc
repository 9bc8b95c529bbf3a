#include "datasets/neighbour_table.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/testing/expect_error.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

class NeighbourTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteManifest("corpus", "one");
    WriteManifest("other corpus", "two");
    WriteManifest("database", "three");
    WriteManifest("other database", "four");
    fs::create_directories(table());
  }

  // Stands for a folder that a table is made from: of that only the manifest matters.
  void WriteManifest(const std::string& folder, const std::string& content) const {
    fs::create_directories(folder_ / folder);
    Manifest manifest;
    manifest.kind = "anything";
    manifest.counts["content"] = content;
    manifest.Save(folder_ / folder);
  }

  NeighbourTableOrigin Origin() const {
    return {.corpus = folder_ / "corpus",
            .part = "valid",
            .database = folder_ / "database",
            .seq_len = 8,
            .chunk_len = 4,
            .k = 3};
  }

  Manifest Write(uint64_t num_rows = 6) const {
    NeighbourTableWriter writer(table(), NeighbourTableManifest(Origin()));
    for (uint64_t row = 0; row < num_rows; ++row) {
      writer.Append(std::vector<uint64_t>{row, row << 40, kNoChunk}, std::vector<float>{0.5f * row, 2, kNoDistance});
    }
    return writer.Finish({{"met", 7}});
  }

  void Flip(const std::string& file, size_t offset) const {
    std::string bytes = ReadText(table() / file);
    bytes[offset] ^= 1;
    WriteText(table() / file, bytes);
  }

  fs::path table() const { return folder_ / "table"; }

  TempDir folder_;
};

TEST_F(NeighbourTableTest, RowsComeBackAsTheyWereWritten) {
  Write();
  const NeighbourTable table(this->table());
  EXPECT_EQ(table.num_rows(), 6u);
  EXPECT_EQ(table.k(), 3u);
  EXPECT_EQ(table.seq_len(), 8u);
  EXPECT_EQ(table.chunk_len(), 4u);
  EXPECT_EQ(table.chunks_per_sequence(), 2u);
  for (uint64_t row = 0; row < 6; ++row) {
    EXPECT_THAT(table.Row(row), testing::ElementsAre(row, row << 40, kNoChunk));
    EXPECT_THAT(table.Distances(row), testing::ElementsAre(0.5f * row, 2, kNoDistance));
  }
  EXPECT_EQ(table.manifest().counts["met"], 7);
  EXPECT_EQ(table.manifest().counts["rows"], 6);
}

TEST_F(NeighbourTableTest, WithoutFinishThereIsNoTable) {
  {
    NeighbourTableWriter writer(table(), NeighbourTableManifest(Origin()));
    writer.Append(std::vector<uint64_t>{1, 2, 3}, std::vector<float>{1, 2, 3});
  }
  EXPECT_TRUE(fs::is_empty(table()));
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kNotFound, "manifest.json");
}

TEST_F(NeighbourTableTest, ItBelongsToWhatItWasMadeFrom) {
  Write();
  const NeighbourTable table(this->table());
  table.RequireMadeFrom(folder_ / "corpus", "valid", 8, folder_ / "database");
  const auto refused = [&](const std::string& corpus, const std::string& part, uint32_t seq_len,
                           const std::string& database, const std::string& reason) {
    EXPECT_ERROR(table.RequireMadeFrom(folder_ / corpus, part, seq_len, folder_ / database),
                 ErrorCode::kInvalidArgument, reason);
  };
  refused("other corpus", "valid", 8, "database", "from another corpus");
  refused("corpus", "train", 8, "database", "from part \"valid\", not \"train\"");
  refused("corpus", "valid", 16, "database", "for sequences of 8 tokens, not 16");
  refused("corpus", "valid", 8, "other database", "from another database");
  refused("corpus", "train", 16, "database", "not \"train\", and for sequences");
  EXPECT_ERROR(table.RequireMadeFrom(folder_ / "gone", "valid", 8, folder_ / "database"), ErrorCode::kNotFound, "gone");
}

TEST_F(NeighbourTableTest, AChangedCorpusIsAnotherOne) {
  Write();
  WriteManifest("corpus", "one, but built anew");
  EXPECT_ERROR(NeighbourTable(table()).RequireMadeFrom(folder_ / "corpus", "valid", 8, folder_ / "database"),
               ErrorCode::kInvalidArgument, "from another corpus");
}

TEST_F(NeighbourTableTest, AFlippedBitAnywhereIsFound) {
  for (const std::string file : {"neighbours.ids", "neighbours.distances", "manifest.json"}) {
    Write();
    const size_t size = fs::file_size(table() / file);
    for (const size_t offset : {size_t{0}, size / 3, size / 2, size - 3}) {
      Flip(file, offset);
      EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, file);
      Flip(file, offset);
    }
    EXPECT_EQ(NeighbourTable(table()).num_rows(), 6u);
  }
}

TEST_F(NeighbourTableTest, ATruncatedOrMissingFileIsFound) {
  Write();
  fs::resize_file(table() / "neighbours.distances", 90);
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, "neighbours.distances");
  fs::remove(table() / "neighbours.distances");
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kNotFound, "neighbours.distances");
}

TEST_F(NeighbourTableTest, FilesOfAnotherTableAreNotTaken) {
  Write(4);
  const std::string ids = ReadText(table() / "neighbours.ids");
  Write(6);
  WriteText(table() / "neighbours.ids", ids);
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, "neighbours.ids");
}

TEST_F(NeighbourTableTest, AManifestThatContradictsItselfIsRefused) {
  const auto with = [&](const std::string& name, const nlohmann::json& value) {
    Manifest manifest = Write();
    manifest.options[name] = value;
    manifest.Save(table());
  };
  for (const nlohmann::json& value : {nlohmann::json(), nlohmann::json(0), nlohmann::json(-3), nlohmann::json("3")}) {
    with("k", value);
    EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, "no number k");
  }
  with("k", 2);
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, "neighbours.ids");
  with("k", 1 << 20);
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, "shape");
  with("seq_len", 9);
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, "shape");
  with("seq_len", 20);  // 5 chunks a sequence do not make 6 rows
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, "6 rows");
  Manifest manifest = Write();
  manifest.files.erase("neighbours.ids");
  manifest.Save(table());
  EXPECT_ERROR(NeighbourTable{table()}, ErrorCode::kCorruption, "lacks neighbours.ids");
}

TEST_F(NeighbourTableTest, ImpossibleShapesAreRefused) {
  const auto refused = [&](uint32_t seq_len, uint32_t chunk_len, uint32_t k, const std::string& reason) {
    NeighbourTableOrigin origin = Origin();
    origin.seq_len = seq_len, origin.chunk_len = chunk_len, origin.k = k;
    EXPECT_ERROR(NeighbourTableManifest(origin), ErrorCode::kInvalidArgument, reason);
  };
  refused(9, 4, 1, "9 tokens cannot be cut into chunks of 4");
  refused(0, 4, 1, "0 tokens");
  refused(8, 0, 1, "chunks of 0");
  refused(8, 4, 0, "k 0");
  refused(8, 4, kMaxNeighbours + 1, "k 65537");
  NeighbourTableOrigin origin = Origin();
  origin.database = folder_ / "gone";
  EXPECT_ERROR(NeighbourTableManifest(origin), ErrorCode::kNotFound, "gone");
}

}  // namespace
}  // namespace retro
