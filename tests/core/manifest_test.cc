#include "core/manifest.h"

#include <fstream>

#include "core/file.h"
#include "core/hash.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/overwrite.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// A folder with two files and a folder of two more, all in its manifest.
class ManifestTest : public testing::Test {
 protected:
  ManifestTest() {
    MakeDirectories(dir_ / "chunks/sub");
    Overwrite(dir_ / "vectors.index", "vectors");
    Overwrite(dir_ / "chunks/b", "bb");
    Overwrite(dir_ / "chunks/sub/a", "aaa");
    manifest_.kind = "retrieval database";
    manifest_.inputs["corpus.jsonl"] = {{"bytes", 12}, {"xxh3", HashHex("x")}};
    manifest_.options["k"] = 8;
    manifest_.fingerprints["tokenizer"] = "äöü 中文 \"quoted\"";
    manifest_.counts["recall@10"] = 0.1 + 0.2;
    manifest_.counts["chunks"] = uint64_t{1} << 63;
    manifest_.stages = {"tokens", "embeddings"};
    manifest_.AddFile(dir_.path(), "vectors.index");
    manifest_.AddFile(dir_.path(), "chunks");
  }

  Manifest Load() const { return Manifest::Load(dir_.path(), "retrieval database"); }
  fs::path Path() const { return dir_ / "manifest.json"; }

  // Writes `text` as the manifest's content, with a checksum that fits it.
  void WriteSealed(std::string text) const {
    Overwrite(Path(), text + ",\n  \"xxh3\": \"" + HashHex(text) + "\"\n}\n");
  }

  TempDir dir_;
  Manifest manifest_;
};

TEST_F(ManifestTest, IsReadBackAsItWasSaved) {
  EXPECT_FALSE(Manifest::Exists(dir_.path()));
  manifest_.Save(dir_.path());
  EXPECT_TRUE(Manifest::Exists(dir_.path()));
  const Manifest loaded = Load();
  EXPECT_EQ(loaded.kind, manifest_.kind);
  EXPECT_EQ(loaded.inputs, manifest_.inputs);
  EXPECT_EQ(loaded.options, manifest_.options);
  EXPECT_EQ(loaded.fingerprints, manifest_.fingerprints);
  EXPECT_EQ(loaded.counts, manifest_.counts);
  EXPECT_EQ(loaded.stages, manifest_.stages);
  EXPECT_EQ(loaded.files, manifest_.files);
  EXPECT_TRUE(loaded.HasStage("tokens"));
  EXPECT_FALSE(loaded.HasStage("token"));
}

TEST_F(ManifestTest, IsJsonForOtherPrograms) {
  manifest_.Save(dir_.path());
  const auto json = nlohmann::json::parse(ReadFile(Path()));
  EXPECT_EQ(json["format_version"], 1);
  EXPECT_EQ(json["kind"], "retrieval database");
  EXPECT_EQ(json["files"]["chunks/b"]["bytes"], 2);
  EXPECT_EQ(json["files"]["chunks/b"]["xxh3"], HashHex("bb"));
}

TEST_F(ManifestTest, AnyChangedByteIsFound) {
  manifest_.Save(dir_.path());
  const std::string good = ReadFile(Path());
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    Overwrite(Path(), bad);
    EXPECT_ERROR(Load(), ErrorCode::kCorruption, Path().string());
  }
}

TEST_F(ManifestTest, AnyTruncationAndAnyTailAreFound) {
  manifest_.Save(dir_.path());
  const std::string good = ReadFile(Path());
  for (size_t size = 0; size < good.size(); ++size) {
    Overwrite(Path(), good.substr(0, size));
    EXPECT_ERROR(Load(), ErrorCode::kCorruption, "cut short");
  }
  Overwrite(Path(), good + "\n");
  EXPECT_ERROR(Load(), ErrorCode::kCorruption, Path().string());
}

TEST_F(ManifestTest, AMissingOneAnotherKindAndANewerVersionAreToldApart) {
  EXPECT_ERROR(Load(), ErrorCode::kNotFound, Path().string());
  manifest_.Save(dir_.path());
  EXPECT_ERROR(Manifest::Load(dir_.path(), "corpus"), ErrorCode::kCorruption,
               "describes a \"retrieval database\", not a \"corpus\"");
  WriteSealed("{\n  \"kind\": \"retrieval database\", \"format_version\": 2");
  EXPECT_ERROR(Load(), ErrorCode::kInvalidArgument, "format version 2, this program reads up to 1");
}

TEST_F(ManifestTest, AContentOfTheWrongShapeIsRefusedEvenUnderAFittingChecksum) {
  const std::string begin = "{\"kind\": \"retrieval database\"";
  const std::string version = begin + ", \"format_version\": 1";
  const std::string sections =
      version + R"(, "inputs": {}, "options": {}, "fingerprints": {}, "counts": {}, "files": {})";
  const std::pair<std::string, std::string> cases[] = {
      {"{\"kind\": [", "not a JSON object"},
      {"{\"kind\": 5", "describes a 5"},
      {"{\"no\": 5", "describes a null"},
      {begin, "the format version is missing"},
      {begin + ", \"format_version\": \"1\"", "the format version is missing"},
      {begin + ", \"format_version\": 0", "format version 0 is unknown"},
      {version, "the section 'inputs' is missing"},
      {version + ", \"inputs\": 7", "the section 'inputs' is missing"},
      {sections, "the list 'stages' is missing"},
      {sections + ", \"stages\": [1]", "not a name"},
  };
  for (const auto& [text, message] : cases) {
    WriteSealed(text);
    EXPECT_ERROR(Load(), ErrorCode::kCorruption, message);
  }
  WriteSealed(sections + ", \"stages\": []");
  EXPECT_NO_THROW(Load());
}

TEST_F(ManifestTest, AFolderIsRecordedFileByFile) {
  EXPECT_EQ(manifest_.files.size(), 3u);
  EXPECT_EQ(manifest_.files["chunks/sub/a"]["bytes"], 3);
  EXPECT_EQ(manifest_.files["chunks/sub/a"]["xxh3"], HashHex("aaa"));
  EXPECT_NO_THROW(manifest_.VerifyFiles(dir_.path(), Manifest::Check::kChecksums));
}

TEST_F(ManifestTest, AFolderRecordedAgainForgetsTheFilesThatAreGone) {
  Overwrite(dir_ / "chunks-old", "");
  manifest_.AddFile(dir_.path(), "chunks-old");
  fs::remove(dir_ / "chunks/b");
  manifest_.AddFile(dir_.path(), "chunks/");
  EXPECT_FALSE(manifest_.files.contains("chunks/b"));
  EXPECT_TRUE(manifest_.files.contains("chunks/sub/a"));
  EXPECT_TRUE(manifest_.files.contains("chunks-old"));
}

TEST_F(ManifestTest, AFileThatIsMissingIsNamed) {
  fs::remove(dir_ / "chunks/sub/a");
  EXPECT_ERROR(manifest_.VerifyFiles(dir_.path(), Manifest::Check::kSizes), ErrorCode::kNotFound, "chunks/sub/a");
  MakeDirectories(dir_ / "chunks/sub/a");
  EXPECT_ERROR(manifest_.VerifyFiles(dir_.path(), Manifest::Check::kSizes), ErrorCode::kNotFound, "chunks/sub/a");
}

TEST_F(ManifestTest, AFileOfAnotherSizeIsFoundWithoutReadingIt) {
  Overwrite(dir_ / "chunks/b", "bbb");
  EXPECT_ERROR(manifest_.VerifyFiles(dir_.path(), Manifest::Check::kSizes), ErrorCode::kCorruption,
               "chunks/b: it has 3 bytes, manifest.json says 2");
}

TEST_F(ManifestTest, AFileOfTheSameSizeIsFoundByItsChecksum) {
  Overwrite(dir_ / "chunks/b", "bB");
  EXPECT_NO_THROW(manifest_.VerifyFiles(dir_.path(), Manifest::Check::kSizes));
  EXPECT_ERROR(manifest_.VerifyFiles(dir_.path(), Manifest::Check::kChecksums), ErrorCode::kCorruption, "chunks/b");
}

TEST_F(ManifestTest, NoPathLeadsOutOfTheFolder) {
  for (const char* path : {"../secret", "/etc/passwd", "chunks/../../secret", "..", ""}) {
    EXPECT_ERROR(manifest_.AddFile(dir_.path(), path), ErrorCode::kCorruption, "leads out of the folder");
    Manifest hostile;
    hostile.files[path] = {{"bytes", 1u}, {"xxh3", HashHex("x")}};
    EXPECT_ERROR(hostile.VerifyFiles(dir_.path(), Manifest::Check::kSizes), ErrorCode::kCorruption, "leads out");
  }
}

TEST_F(ManifestTest, AnEntryWithoutSizeOrChecksumIsRefused) {
  for (const auto& entry : {nlohmann::json(5), nlohmann::json::object(), nlohmann::json{{"bytes", -1}, {"xxh3", "0"}},
                            nlohmann::json{{"bytes", 7}, {"xxh3", 0}}}) {
    manifest_.files["vectors.index"] = entry;
    EXPECT_ERROR(manifest_.VerifyFiles(dir_.path(), Manifest::Check::kSizes), ErrorCode::kCorruption,
                 "'vectors.index' has no size or checksum");
  }
}

TEST_F(ManifestTest, AFileToBeRecordedMustExist) {
  EXPECT_ERROR(manifest_.AddFile(dir_.path(), "nothing"), ErrorCode::kNotFound, "nothing");
}

}  // namespace
}  // namespace retro
