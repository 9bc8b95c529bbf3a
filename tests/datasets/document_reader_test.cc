#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/hash.h"
#include "datasets/document.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct ReadResult {
  std::vector<Document> documents;
  ReaderReport report;
  uint64_t Count(const std::string& kind) const {
    const auto found = report.problems.find(kind);
    return found == report.problems.end() ? 0 : found->second.count;
  }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const Document& document : documents) ids.push_back(document.id);
    return ids;
  }
};

ReadResult ReadAll(const std::vector<fs::path>& paths, const ReaderOptions& options = {}) {
  const auto reader = OpenDocuments(paths, options);
  ReadResult result;
  Document document;
  while (reader->Next(document)) result.documents.push_back(document);
  result.report = reader->report();
  return result;
}

// The result of reading `bytes` as the file NAME.
ReadResult ReadBytes(const std::string& name, std::string_view bytes, const ReaderOptions& options = {}) {
  const TempDir folder;
  WriteText(folder / name, bytes);
  return ReadAll({folder / name}, options);
}

constexpr std::string_view kThreeLines =
    "{\"id\": \"a\", \"title\": \"A\", \"text\": \"first\", \"source\": \"s\", \"url\": \"u\", \"licence\": \"l\"}\n"
    "{\"id\": \"b\", \"text\": \"second \\u00e9\"}\n"
    "{\"id\": \"c\", \"text\": \"third\"}";

TEST(DocumentReader, JsonLinesFillEveryField) {
  const ReadResult result = ReadBytes("x.jsonl", kThreeLines);
  ASSERT_EQ(result.documents.size(), 3u);
  const Document& first = result.documents[0];
  EXPECT_EQ(first.id, "a");
  EXPECT_EQ(first.title, "A");
  EXPECT_EQ(first.text, "first");
  EXPECT_EQ(first.source, "s");
  EXPECT_EQ(first.url, "u");
  EXPECT_EQ(first.licence, "l");
  EXPECT_EQ(result.documents[1].text, "second é");
  EXPECT_EQ(result.documents[2].text, "third");  // though no line end follows
  EXPECT_TRUE(result.report.Summary().empty());
  EXPECT_EQ(result.report.documents, 3u);
}

TEST(DocumentReader, PackedFilesReadAsPlainOnes) {
  EXPECT_THAT(ReadBytes("x.jsonl.gz", Gzip(kThreeLines)).Ids(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(ReadBytes("x.jsonl.zst", Zstd(kThreeLines)).Ids(), ElementsAre("a", "b", "c"));
}

TEST(DocumentReader, JoinedGzipMembersAndZstdFramesAreOneStream) {
  const std::string_view head = kThreeLines.substr(0, 40), tail = kThreeLines.substr(40);
  EXPECT_THAT(ReadBytes("x.jsonl.gz", Gzip(head) + Gzip("") + Gzip(tail)).Ids(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(ReadBytes("x.jsonl.zst", Zstd(head) + Zstd("") + Zstd(tail)).Ids(), ElementsAre("a", "b", "c"));
}

TEST(DocumentReader, ZerosMayFollowAGzipStreamButNothingElse) {
  const std::string packed = Gzip(kThreeLines);
  EXPECT_EQ(ReadBytes("x.jsonl.gz", packed + std::string(1000, '\0')).documents.size(), 3u);
  EXPECT_ERROR(ReadBytes("x.jsonl.gz", packed + "rubbish"), ErrorCode::kCorruption, "x.jsonl.gz");
  EXPECT_ERROR(ReadBytes("x.jsonl.gz", packed + std::string(8, '\0') + packed), ErrorCode::kCorruption, "padding");
}

TEST(DocumentReader, ACompressedStreamThatEndsEarlyIsCorruptionWhereverItIsCut) {
  for (const std::string name : {"x.jsonl.gz", "x.jsonl.zst"}) {
    const std::string packed = name == "x.jsonl.gz" ? Gzip(kThreeLines) : Zstd(kThreeLines);
    for (size_t length = 0; length < packed.size(); length += 7) {
      EXPECT_ERROR(ReadBytes(name, packed.substr(0, length)), ErrorCode::kCorruption, "ends in the middle");
    }
    EXPECT_ERROR(ReadBytes(name, packed.substr(0, packed.size() - 1)), ErrorCode::kCorruption, name);
  }
}

TEST(DocumentReader, AFlippedBitInACompressedStreamIsFound) {
  std::string packed = Gzip(kThreeLines);
  packed[packed.size() - 6] ^= 1;  // in the checksum at the end
  EXPECT_ERROR(ReadBytes("x.jsonl.gz", packed), ErrorCode::kCorruption, "damaged");
}

TEST(DocumentReader, AZstdWindowBeyondTheBoundIsRefused) {
  EXPECT_ERROR(ReadBytes("x.jsonl.zst", Zstd(kThreeLines, 28)), ErrorCode::kInvalidArgument, "128 MiB");
  EXPECT_EQ(ReadBytes("x.jsonl.zst", Zstd(kThreeLines, 27)).documents.size(), 3u);
}

TEST(DocumentReader, ADecompressionBombIsRefused) {
  const TempDir folder;
  const std::string frame = Zstd(std::string(size_t{64} << 20, ' '));
  std::string packed;
  for (int i = 0; i < 20; ++i) packed += frame;
  WriteText(folder / "x.jsonl.zst", packed);
  EXPECT_ERROR(ReadAll({folder / "x.jsonl.zst"}, {.max_line_bytes = 1000}), ErrorCode::kInvalidArgument, "1000 times");
}

TEST(DocumentReader, BadLinesAreCountedByKindWithTheFirstPlaceAndTheRunGoesOn) {
  const ReadResult result = ReadBytes("x.jsonl",
                                      "{\"id\": \"a\", \"text\": \"first\"}\n"
                                      "{\"id\": \"b\", \"text\": \n"
                                      "not json\n"
                                      "[\"a list\"]\n"
                                      "{\"id\": \"c\"}\n"
                                      "{\"id\": \"d\", \"text\": 12}\n"
                                      "{\"id\": \"e\", \"text\": \" \\n\"}\n"
                                      "{\"id\": \"f\", \"text\": \"last\"}\n");
  EXPECT_THAT(result.Ids(), ElementsAre("a", "f"));
  EXPECT_EQ(result.Count("bad JSON"), 3u);
  EXPECT_EQ(result.Count("no text"), 2u);
  EXPECT_EQ(result.Count("empty text"), 1u);
  EXPECT_THAT(result.report.problems.at("bad JSON").first_place, HasSubstr("x.jsonl:2"));
  EXPECT_THAT(result.report.problems.at("no text").first_place, HasSubstr("x.jsonl:5"));
  EXPECT_THAT(result.report.Summary(), HasSubstr("3 x bad JSON (first at "));
}

TEST(DocumentReader, AskedToStopItStopsAtTheFirstBadLineAndNamesIt) {
  const ReaderOptions stop{.on_bad_input = BadInput::kStop};
  EXPECT_ERROR(ReadBytes("x.jsonl", "{\"text\": \"a\"}\nnot json\n", stop), ErrorCode::kCorruption,
               "x.jsonl:2: bad JSON");
  EXPECT_ERROR(ReadBytes("x.jsonl", "{\"text\": \"\xff\"}\n", stop), ErrorCode::kCorruption, "invalid UTF-8");
}

TEST(DocumentReader, ADeeplyNestedLineIsBadJson) {
  const std::string deep = "{\"text\": \"x\", \"y\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}\n";
  const ReadResult result = ReadBytes("x.jsonl", deep + "{\"text\": \"good\"}");
  EXPECT_EQ(result.documents.size(), 1u);
  EXPECT_EQ(result.Count("bad JSON"), 1u);
}

TEST(DocumentReader, ALineThatIsTooLongIsPassedOverInBoundedMemory) {
  const std::string longline = "{\"text\": \"" + std::string(size_t{8} << 20, 'x') + "\"}\n";
  const ReadResult result = ReadBytes("x.jsonl", "{\"text\": \"a\"}\n" + longline + "{\"text\": \"b\"}\n" + longline,
                                      {.max_line_bytes = 1000});
  ASSERT_EQ(result.documents.size(), 2u);
  EXPECT_THAT(result.documents[1].id, HasSubstr("x.jsonl:3"));
  EXPECT_EQ(result.Count("line too long"), 2u);
}

TEST(DocumentReader, ALineOfTheGreatestLengthIsReadAndOneByteMoreIsNot) {
  const std::string line = "{\"text\": \"abc\"}";
  EXPECT_EQ(ReadBytes("x.jsonl", line + "\n", {.max_line_bytes = line.size()}).documents.size(), 1u);
  EXPECT_EQ(ReadBytes("x.jsonl", line + "\n", {.max_line_bytes = line.size() - 1}).Count("line too long"), 1u);
  EXPECT_EQ(ReadBytes("x.jsonl", line, {.max_line_bytes = line.size() - 1}).Count("line too long"), 1u);
}

TEST(DocumentReader, AByteOrderMarkAndCarriageReturnsAreDropped) {
  const ReadResult json = ReadBytes("x.jsonl", "\xEF\xBB\xBF{\"text\": \"a\"}\r\n\r\n{\"text\": \"b\"}\r\n");
  ASSERT_EQ(json.documents.size(), 2u);
  EXPECT_EQ(json.documents[1].text, "b");
  EXPECT_TRUE(json.report.problems.empty());
  EXPECT_EQ(ReadBytes("x.txt", "\xEF\xBB\xBFone\r\ntwo\r").documents.at(0).text, "one\ntwo\r");
}

TEST(DocumentReader, Utf16IsRefusedWithTheWayOut) {
  EXPECT_ERROR(ReadBytes("x.jsonl", std::string_view("\xFF\xFE{\0", 4)), ErrorCode::kInvalidArgument, "iconv");
  EXPECT_ERROR(ReadBytes("x.txt", std::string_view("\xFE\xFF\0a", 4)), ErrorCode::kInvalidArgument, "iconv");
}

TEST(DocumentReader, InvalidUtf8IsReplacedAndCounted) {
  const ReadResult result = ReadBytes("x.jsonl", "{\"id\": \"a\", \"text\": \"b\xC3(d\xED\xA0\x80\"}\n");
  EXPECT_EQ(result.documents.at(0).text, "b\uFFFD(d\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(result.Count("invalid UTF-8"), 1u);
}

TEST(DocumentReader, LoneSurrogateEscapesBecomeReplacementCharacters) {
  const ReadResult result =
      ReadBytes("x.jsonl", R"({"text": "high \ud83d low \uDE00 pair \ud83d\ude00 literal \\ud83d"})"
                           "\n"
                           R"({"text": "fine \u00e9 \ud83d\ude00"})");
  EXPECT_EQ(result.documents.at(0).text, "high \uFFFD low \uFFFD pair \U0001F600 literal \\ud83d");
  EXPECT_EQ(result.documents.at(1).text, "fine é \U0001F600");
  EXPECT_EQ(result.Count("lone surrogate"), 1u);
}

TEST(DocumentReader, NulBytesDoNotReachTheText) {
  EXPECT_EQ(ReadBytes("x.txt", std::string_view("a\0b", 3)).documents.at(0).text, "a\uFFFDb");
  const ReadResult escaped = ReadBytes("x.jsonl", R"({"text": "a\u0000b"})");
  EXPECT_EQ(escaped.documents.at(0).text, "a\uFFFDb");
  EXPECT_EQ(escaped.Count("NUL byte"), 1u);
  EXPECT_EQ(ReadBytes("x.jsonl", std::string_view("{\"text\": \"a\0b\"}", 15)).Count("bad JSON"), 1u);
}

TEST(DocumentReader, OfARepeatedFieldTheLastOneCounts) {
  const ReadResult result = ReadBytes("x.jsonl", R"({"id": "a", "text": "one", "id": "b", "text": "two"})");
  EXPECT_EQ(result.documents.at(0).id, "b");
  EXPECT_EQ(result.documents.at(0).text, "two");
  EXPECT_EQ(result.Count("repeated field"), 2u);
}

TEST(DocumentReader, NumbersMayStandForIdsAndTitlesButNotForText) {
  const ReadResult result =
      ReadBytes("x.jsonl", R"({"id": 17, "title": 1984, "text": "a", "url": null, "source": ["x"]})"
                           "\n"
                           R"({"id": 18446744073709551615, "text": "b", "license": "MIT"})");
  EXPECT_EQ(result.documents.at(0).id, "17");
  EXPECT_EQ(result.documents.at(0).title, "1984");
  EXPECT_EQ(result.documents.at(0).url, "");
  EXPECT_EQ(result.documents.at(1).id, "18446744073709551615");
  EXPECT_EQ(result.documents.at(1).licence, "MIT");
  EXPECT_EQ(result.Count("wrong type"), 1u);
}

TEST(DocumentReader, ATextFileIsOneDocumentNamedAfterIt) {
  const ReadResult result = ReadBytes("My notes.txt.gz", Gzip("one\n\ntwo\n"));
  ASSERT_EQ(result.documents.size(), 1u);
  EXPECT_EQ(result.documents[0].title, "My notes");
  EXPECT_EQ(result.documents[0].text, "one\n\ntwo\n");
  EXPECT_THAT(result.documents[0].id, HasSubstr("My notes.txt.gz"));
}

TEST(DocumentReader, ALongTextFileIsCutAtBlankLinesThenLinesThenCharacters) {
  const ReadResult result =
      ReadBytes("x.txt", "aaaa\n\nbb\nccccccccc\ndd\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9z", {.max_line_bytes = 11});
  std::vector<std::string> texts;
  for (const Document& document : result.documents) texts.push_back(document.text);
  EXPECT_THAT(texts, ElementsAre("aaaa\n\n", "bb\n", "ccccccccc\n", "ddéééé", "éz"));
  EXPECT_TRUE(result.documents[1].id.ends_with("x.txt#2"));
  EXPECT_EQ(result.Count("long text cut"), 1u);
  EXPECT_EQ(result.Count("invalid UTF-8"), 0u);
}

TEST(DocumentReader, AnEmptyTextFileIsCounted) {
  EXPECT_EQ(ReadBytes("x.txt", "").Count("empty text"), 1u);
  EXPECT_EQ(ReadBytes("x.jsonl", "").documents.size(), 0u);
}

TEST(DocumentReader, AFolderIsReadInTheOrderOfItsNames) {
  const TempDir folder;
  WriteText(folder / "b.jsonl", "{\"id\": \"2\", \"text\": \"x\"}");
  WriteText(folder / "a.jsonl.gz", Gzip("{\"id\": \"1\", \"text\": \"x\"}"));
  WriteText(folder / "c.jsonl", "{\"id\": \"3\", \"text\": \"x\"}");
  WriteText(folder / "readme.md", "not a document");
  const ReadResult result = ReadAll({folder.path()});
  EXPECT_THAT(result.Ids(), ElementsAre("1", "2", "3"));
  EXPECT_EQ(result.report.files.size(), 3u);
  EXPECT_EQ(result.report.files[1].bytes, fs::file_size(folder / "b.jsonl"));
  EXPECT_EQ(result.report.files[1].xxh3, HashFile(folder / "b.jsonl"));
}

TEST(DocumentReader, WhatCannotBeOpenedIsNamed) {
  const TempDir folder;
  EXPECT_ERROR(OpenDocuments({folder / "missing.jsonl"}), ErrorCode::kNotFound, "missing.jsonl");
  EXPECT_ERROR(OpenDocuments({folder.path()}), ErrorCode::kNotFound, "no .jsonl");
  WriteText(folder / "x.pdf", "%PDF");
  EXPECT_ERROR(OpenDocuments({folder / "x.pdf"}), ErrorCode::kInvalidArgument, "x.pdf");
  EXPECT_ERROR(ReadBytes("x.jsonl", "", {.max_line_bytes = 0}), ErrorCode::kInvalidArgument, "max_line_bytes");
}

}  // namespace
}  // namespace retro
