#include "model/safetensors.h"

#include <algorithm>
#include <fstream>
#include <random>

#include "core/file.h"
#include "model/model_files.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kGoldenFolder = std::filesystem::path(RETRO_SOURCE_DIR) / "tests/golden/safetensors";

std::string FileOf(std::string_view header, std::string_view data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + std::string(header) + std::string(data);
}

class SafetensorsTest : public testing::Test {
 protected:
  std::filesystem::path Write(const std::string& bytes, const std::string& name = "model.safetensors") const {
    std::filesystem::remove(dir_ / name);  // writing over a file waits for the disk
    std::ofstream(dir_ / name, std::ios::binary) << bytes;
    return dir_ / name;
  }
  void ExpectCorrupt(const std::string& bytes, const std::string& text) const {
    EXPECT_ERROR(SafetensorsFile(Write(bytes)), ErrorCode::kCorruption, text);
  }
  void ExpectBadHeader(std::string_view header, std::string_view data, const std::string& text) const {
    ExpectCorrupt(FileOf(header, data), text);
  }

  TempDir dir_;
};

TEST_F(SafetensorsTest, AFileOfTheReferenceLibraryIsRead) {
  const SafetensorsFile file(kGoldenFolder / "small.safetensors");
  EXPECT_EQ(file.Names().size(), 7u);
  EXPECT_EQ(file.metadata().at("note"), "a \"quoted\" word");
  EXPECT_THAT(file.Find("matrix")->shape, ElementsAre(2, 3));
  EXPECT_THAT(Dequantize(*file.Find("matrix")), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Dequantize(*file.Find("halves")), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(file.Find("ids")->type, DataType::kI64);
  EXPECT_EQ(file.Find("flags")->type, DataType::kBool);
  EXPECT_THAT(file.Find("scalar")->shape, ElementsAre());
  EXPECT_THAT(Dequantize(*file.Find("scalar")), ElementsAre(7));
  EXPECT_TRUE(file.Find("empty")->bytes.empty());
  EXPECT_EQ(file.Find("naïve ☕")->bytes.size(), 3u);
  EXPECT_EQ(file.Find("absent"), nullptr);
}

TEST_F(SafetensorsTest, WhatIsWrittenComesBackAligned) {
  const std::vector<uint8_t> bytes{1, 2, 3};
  const std::vector<float> floats{1.5f, -2.5f};
  const TensorView tensors[] = {{"bytes", DataType::kU8, {3}, std::as_bytes(std::span(bytes))},
                                {"floats", DataType::kF32, {1, 2}, std::as_bytes(std::span(floats))},
                                {"none", DataType::kF32, {0}, {}}};
  WriteSafetensors(dir_ / "out.safetensors", tensors, {{"format", "pt"}});
  const SafetensorsFile file(dir_ / "out.safetensors");
  EXPECT_EQ(file.Names().size(), 3u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_THAT(Dequantize(*file.Find("floats")), ElementsAre(1.5f, -2.5f));
  EXPECT_TRUE(std::ranges::equal(file.Find("bytes")->bytes, std::as_bytes(std::span(bytes))));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.Find("floats")->bytes.data()) % alignof(float), 0u);
}

TEST_F(SafetensorsTest, AFileWithoutTensorsComesBack) {
  WriteSafetensors(dir_ / "out.safetensors", {});
  EXPECT_TRUE(SafetensorsFile(dir_ / "out.safetensors").Names().empty());
}

TEST_F(SafetensorsTest, TheWriterRefusesWhatTheFormatCannotHold) {
  const std::vector<uint8_t> block(34);
  const auto bytes = std::as_bytes(std::span(block));
  const auto path = dir_ / "out.safetensors";
  const TensorView quantized[] = {{"q", DataType::kQ8_0, {32}, bytes}};
  EXPECT_ERROR(WriteSafetensors(path, quantized), ErrorCode::kInvalidArgument, "tensor q has type Q8_0");
  const TensorView short_bytes[] = {{"s", DataType::kU8, {35}, bytes}};
  EXPECT_ERROR(WriteSafetensors(path, short_bytes), ErrorCode::kInvalidArgument, "tensor s of shape [35]");
  const TensorView twice[] = {{"t", DataType::kU8, {34}, bytes}, {"t", DataType::kU8, {34}, bytes}};
  EXPECT_ERROR(WriteSafetensors(path, twice), ErrorCode::kInvalidArgument, "named t");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(SafetensorsTest, AMissingFileIsNotFound) {
  EXPECT_ERROR(SafetensorsFile(dir_ / "absent.safetensors"), ErrorCode::kNotFound, "absent.safetensors");
}

TEST_F(SafetensorsTest, AHeaderLengthThatCannotBeIsRefused) {
  ExpectCorrupt("", "too few");
  ExpectCorrupt("1234567", "too few");
  ExpectCorrupt(std::string(8, '\0'), "not a JSON object");
  ExpectCorrupt(std::string(8, '\xff') + "{}", "header of 18446744073709551615 bytes");
  ExpectCorrupt(FileOf("{}", "").replace(0, 1, "\x03"), "header of 3 bytes");
  const uint64_t above_cap = 100'000'001;
  ExpectCorrupt(std::string(reinterpret_cast<const char*>(&above_cap), 8) + "{}", "header of 100000001 bytes");
}

TEST_F(SafetensorsTest, AHeaderThatIsNoStrictJsonObjectIsRefused) {
  ExpectBadHeader(" {}", "", "not a JSON object");
  ExpectBadHeader("[]", "", "not a JSON object");
  ExpectBadHeader("{} x", "", "not valid JSON");
  ExpectBadHeader(std::string_view("{}\0", 3), "", "not a JSON object");
  ExpectBadHeader("{\"a\":", "", "not valid JSON");
  ExpectBadHeader("{\"\xff\":{}}", "", "not valid JSON");
  ExpectBadHeader("{" + std::string(100000, '['), "", "not valid JSON");
  ExpectBadHeader("{\"a\":" + std::string(100000, '['), "", "an array where it must not be");
  ExpectBadHeader("{\"a\":" + std::string(1000, '{'), "", "not valid JSON");
}

TEST_F(SafetensorsTest, AnEntryThatIsNotAsTheFormatSaysIsNamed) {
  ExpectBadHeader(R"({"a":1})", "", "tensor a has a number");
  ExpectBadHeader(R"({"a":{}})", "", "tensor a must have dtype");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":[1]}})", "1234", "tensor a must have dtype");
  ExpectBadHeader(R"({"a":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}})", "1234", "dtype F7");
  ExpectBadHeader(R"({"a":{"dtype":"Q8_0","shape":[1],"data_offsets":[0,4]}})", "1234", "dtype Q8_0");
  ExpectBadHeader(R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", "1234", "a number");
  ExpectBadHeader(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234", "field dtype");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", "1234", "field x");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234", "a negative number");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", "1234", "a fraction");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", "1234", "an array");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", "1234", "two data_offsets");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", "1234", "more than two");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}})", "1234", "null");
  ExpectBadHeader(R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}})", "1234", "63 bits");
}

TEST_F(SafetensorsTest, NamesAndMetadataKeysMayNotRepeat) {
  const std::string entry = R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  ExpectBadHeader(R"({"a":)" + entry + R"(,"a":)" + entry + "}", "12", "tensor a occurs twice");
  ExpectBadHeader(R"({"__metadata__":{"k":"1","k":"2"}})", "", "the key k twice");
  ExpectBadHeader(R"({"__metadata__":{},"__metadata__":{}})", "", "__metadata__ occurs twice");
  ExpectBadHeader(R"({"__metadata__":{"k":1}})", "", "__metadata__ has a number");
  ExpectBadHeader("{\"" + std::string(5000, 'n') + "\":" + entry + "}", "12", "too long");
}

TEST_F(SafetensorsTest, TensorsCoverTheDataExactly) {
  const auto header = [](const char* shape, const char* offsets) {
    return fmt::format(R"({{"a":{{"dtype":"U8","shape":{},"data_offsets":{}}}}})", shape, offsets);
  };
  EXPECT_NO_THROW(SafetensorsFile(Write(FileOf(header("[4]", "[0,4]"), "1234"))));
  ExpectBadHeader(header("[4]", "[0,4]"), "12345", "the tensors cover 4 bytes");
  ExpectBadHeader(header("[4]", "[0,4]"), "123", "the file has 3 bytes");
  ExpectBadHeader(header("[3]", "[1,4]"), "1234", "must begin at 0");
  ExpectBadHeader(header("[4]", "[4,0]"), "1234", "data_offsets [4, 0]");
  ExpectBadHeader(header("[5]", "[0,4]"), "1234", "has 4 bytes, its type U8 and shape [5] need 5");
  ExpectBadHeader(header("[4]", "[0,18446744073709551615]"), "1234", "18446744073709551615");
  ExpectBadHeader(header("[4294967296,4294967296,4]", "[0,4]"), "1234", "63 bits");
  ExpectBadHeader(
      R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
      "1234", "tensor b has data_offsets [2, 4]");
  ExpectBadHeader(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
      "1234", "must begin at 1");
}

TEST_F(SafetensorsTest, EveryTruncationIsRefused) {
  const std::string whole = ReadFile(kGoldenFolder / "small.safetensors");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(SafetensorsFile(Write(whole.substr(0, length))), Error) << length;
  }
}

TEST_F(SafetensorsTest, AFlippedBitEitherLoadsOrIsAnError) {
  const std::string whole = ReadFile(kGoldenFolder / "small.safetensors");
  std::mt19937 random(7);
  size_t refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string damaged = whole;
    for (size_t flips = 1 + random() % 3; flips > 0; --flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1u << random() % 8);
    }
    try {
      const SafetensorsFile file(Write(damaged));
      for (const std::string& name : file.Names()) {
        const TensorView& view = *file.Find(name);
        EXPECT_EQ(view.bytes.size(), TensorBytes(view.type, view.shape));
      }
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000u);
}

class ShardsTest : public SafetensorsTest {
 protected:
  void SetUp() override {
    Write(FileOf(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "1"), "model-1.safetensors");
    Write(FileOf(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "22"), "model-2.safetensors");
  }
  std::filesystem::path Index(const std::string& weight_map) const {
    return Write("{\"weight_map\":" + weight_map + "}", "model.safetensors.index.json");
  }
};

TEST_F(ShardsTest, TensorsComeFromTheShardsThatTheIndexNames) {
  const ShardedSafetensors shards(Index(R"({"a":"model-1.safetensors","b":"model-2.safetensors"})"));
  EXPECT_THAT(shards.Names(), ElementsAre("a", "b"));
  EXPECT_EQ(shards.Find("b")->bytes.size(), 2u);
  EXPECT_EQ(shards.Find("c"), nullptr);
  EXPECT_EQ(OpenTensors(dir_.path())->Names().size(), 2u);
}

TEST_F(ShardsTest, AnIndexMayNotLeaveItsFolder) {
  for (const char* named :
       {"../model-1.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "model-1.bin", ""}) {
    EXPECT_ERROR(ShardedSafetensors(Index(fmt::format(R"({{"a":"{}"}})", named))), ErrorCode::kCorruption,
                 "inside its folder");
  }
}

TEST_F(ShardsTest, AnIndexThatIsWrongIsRefused) {
  EXPECT_ERROR(ShardedSafetensors(Index("{}")), ErrorCode::kCorruption, "weight_map");
  EXPECT_ERROR(ShardedSafetensors(Index("[]")), ErrorCode::kCorruption, "weight_map");
  EXPECT_ERROR(ShardedSafetensors(Index(R"({"a":3})")), ErrorCode::kCorruption, "no file name for tensor a");
  EXPECT_ERROR(ShardedSafetensors(Index(R"({"a":"model-2.safetensors"})")), ErrorCode::kCorruption,
               "tensor a is not in");
  EXPECT_ERROR(ShardedSafetensors(Index(R"({"a":"model-3.safetensors"})")), ErrorCode::kNotFound,
               "model-3.safetensors");
  EXPECT_ERROR(ShardedSafetensors(Write("[1", "x.index.json")), ErrorCode::kCorruption, "not valid JSON");
  EXPECT_ERROR(ShardedSafetensors(Write(std::string(1000, '['), "x.index.json")), ErrorCode::kCorruption, "nested");
}

}  // namespace
}  // namespace retro
