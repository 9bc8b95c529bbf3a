// Databases whose chunks were embedded in 8 bits.
#include <gtest/gtest.h>

#include "index-builder/verify_index.h"
#include "tests/index-builder/updated_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

const auto kFp32 = MakeHashingEmbedder(), kInt8 = MakeHashingEmbedder(0, EncoderPrecision::kInt8);

// A database of 60 documents that was built in int8; later calls of its methods embed so, too.
struct Int8EmbeddedDatabase : UpdatedDatabase {
  Int8EmbeddedDatabase() {
    embedder = kInt8;
    BuildFrom(out(), NumberedDocuments(0, 60));
  }
  bool Verify(const Embedder& with) { return VerifyIndex(out(), tokenizer, with, {}, pool).at("ok").get<bool>(); }
};

TEST(EmbedPrecision, IsSaidByTheManifestUnlessItIsFp32) {
  Int8EmbeddedDatabase test;
  const Manifest int8 = Manifest::Load(test.out(), "retrieval database");
  EXPECT_EQ(int8.fingerprints.at("embed_precision"), "int8");
  EXPECT_EQ(EmbeddedIn(int8), EncoderPrecision::kInt8);
  EXPECT_EQ(int8.fingerprints.at("embedder"), kFp32->fingerprint());
  test.embedder = kFp32;
  const Manifest fp32 = test.Build(test.folder / "fp32", UpdatedDatabase::Options());
  EXPECT_FALSE(fp32.fingerprints.contains("embed_precision"));
  EXPECT_EQ(EmbeddedIn(fp32), EncoderPrecision::kFp32);
}

TEST(EmbedPrecision, OfANewerProgramIsRefused) {
  Manifest manifest;
  manifest.fingerprints["embed_precision"] = "int4";
  EXPECT_ERROR(EmbeddedIn(manifest), ErrorCode::kCorruption, "\"int4\"");
  manifest.fingerprints["embed_precision"] = 4;
  EXPECT_ERROR(EmbeddedIn(manifest), ErrorCode::kCorruption, "4");
}

TEST(EmbedPrecision, IsKeptByEveryChangeAndVerifiedInIt) {
  Int8EmbeddedDatabase test;
  EXPECT_TRUE(test.Verify(*kInt8));
  EXPECT_FALSE(test.Verify(*kFp32));
  test.Add(NumberedDocuments(60, 5));
  test.Compact();
  EXPECT_EQ(EmbeddedIn(DatabaseGeneration::Load(test.out()).manifest), EncoderPrecision::kInt8);
  EXPECT_TRUE(test.Verify(*kInt8));
}

TEST(EmbedPrecision, OfWhatIsAddedMustBeTheDatabases) {
  Int8EmbeddedDatabase test;
  test.embedder = kFp32;
  EXPECT_ERROR(test.Add(NumberedDocuments(60, 5)), ErrorCode::kInvalidArgument, "was embedded in int8");
  EXPECT_ERROR(test.Compact(), ErrorCode::kInvalidArgument, "was embedded in int8");
  EXPECT_TRUE(test.Verify(*kInt8));
}

TEST(EmbedPrecision, OfQuestionsMayBeAnother) {
  Int8EmbeddedDatabase test;
  const auto found_by = [&](const std::shared_ptr<const Embedder>& embedder) {
    const RetrievalDatabase database(test.out(), embedder, std::make_shared<ByteTokenizer>());
    EXPECT_EQ(database.query_precision(), embedder->precision());
    return database.SearchPassages(NumberedDocuments(7, 1)[0].text.substr(0, 16), {.k = 1}, false, test.pool);
  };
  EXPECT_EQ(found_by(kInt8).at(0).document.id, "doc/7");
  EXPECT_EQ(found_by(kFp32).at(0).document.id, "doc/7");
}

// Blocks of one precision are never taken for those of the other.
TEST(EmbedPrecision, ResumedBuildsKeepBlocksOfTheirOwnOnly) {
  for (const bool other_first : {false, true}) {
    UpdatedDatabase test;
    int embedded = 0;
    bool kill = true;
    IndexOptions options = UpdatedDatabase::Options();
    options.on_step = [&](std::string_view name) {
      embedded += name.starts_with("block ") ? 1 : 0;
      if (kill && name == "block 1") throw std::runtime_error("killed");
    };
    test.embedder = other_first ? kFp32 : kInt8;
    EXPECT_THROW(test.BuildFrom(test.out(), NumberedDocuments(0, 60), options), std::runtime_error);
    kill = false;
    test.embedder = kInt8;
    test.BuildFrom(test.folder / "whole", NumberedDocuments(0, 60), options);
    const int all_blocks = embedded - 2;
    embedded = 0;
    test.BuildFrom(test.out(), NumberedDocuments(0, 60), options);
    EXPECT_EQ(embedded, other_first ? all_blocks : all_blocks - 2);
    EXPECT_TRUE(Contents(test.out()) == Contents(test.folder / "whole"));
  }
}

}  // namespace
}  // namespace retro
