#include "model/gguf.h"

#include <fstream>
#include <map>
#include <random>

#include "core/file.h"
#include "model/gguf_parser.h"
#include "tests/model/gguf_builder.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kGoldenFile = std::filesystem::path(RETRO_SOURCE_DIR) / "tests/golden/gguf/small.gguf";
constexpr uint32_t kF32 = 0;
constexpr uint64_t kMax = UINT64_MAX;

class GgufTest : public testing::Test {
 protected:
  std::filesystem::path Write(const std::string& bytes) const {
    std::filesystem::remove(dir_ / "model.gguf");  // writing over a file waits for the disk
    std::ofstream(dir_ / "model.gguf", std::ios::binary) << bytes;
    return dir_ / "model.gguf";
  }
  void ExpectRefused(const std::string& bytes, const std::string& text, ErrorCode code = ErrorCode::kCorruption) const {
    EXPECT_ERROR(GgufFile(Write(bytes)), code, text);
  }
  void ExpectRefused(const GgufBuilder& builder, const std::string& text,
                     ErrorCode code = ErrorCode::kCorruption) const {
    ExpectRefused(builder.Build(), text, code);
  }

  TempDir dir_;
};

TEST_F(GgufTest, EveryKindOfMetadataIsRead) {
  const GgufFile file(kGoldenFile);
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.GetString("general.architecture"), "llama");
  EXPECT_EQ(file.GetInteger("a.uint8"), 200);
  EXPECT_EQ(file.GetInteger("a.int8"), -100);
  EXPECT_EQ(file.GetInteger("a.uint16"), 60000);
  EXPECT_EQ(file.GetInteger("a.int16"), -30000);
  EXPECT_EQ(file.GetInteger("a.uint32"), 4000000000);
  EXPECT_EQ(file.GetInteger("a.int32"), -2000000000);
  EXPECT_EQ(file.GetInteger("a.int64"), -(int64_t{1} << 62));
  EXPECT_EQ(file.GetFloat("a.float32"), 0.5);
  EXPECT_EQ(file.GetFloat("a.float64"), 0.1);
  EXPECT_EQ(file.FindBool("a.bool"), true);
  EXPECT_EQ(file.GetString("a.string"), "naïve ☕");
  EXPECT_THAT(file.GetStrings("list.strings"), ElementsAre("Ġthe", "", std::string(300, 'x')));
  EXPECT_THAT(file.FindIntegers("list.ints").value(), ElementsAre(3, -1, 7));
  EXPECT_THAT(file.FindFloats("list.floats").value(), ElementsAre(0.25f, -2.0f));
  EXPECT_EQ(file.Keys().size(), 17u);
}

TEST_F(GgufTest, TensorsHaveTheirOutermostDimensionFirst) {
  const GgufFile file(kGoldenFile);
  EXPECT_THAT(file.Names(), ElementsAre("halves", "matrix", "quantized"));
  EXPECT_THAT(file.Find("matrix")->shape, ElementsAre(2, 3));
  EXPECT_THAT(Dequantize(*file.Find("matrix")), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Dequantize(*file.Find("halves")), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(file.Find("quantized")->shape, ElementsAre(2, 64));
  EXPECT_NEAR(Dequantize(*file.Find("quantized"))[100], 100, 0.6);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.Find("matrix")->bytes.data()) % 64, 0u);
}

TEST_F(GgufTest, AKeyOfAnotherTypeOrAbsentIsNamed) {
  const GgufFile file(kGoldenFile);
  EXPECT_ERROR(file.GetInteger("a.string"), ErrorCode::kCorruption, "a.string is string");
  EXPECT_ERROR(file.GetInteger("a.uint64"), ErrorCode::kCorruption, "a.uint64 is uint64, must be a 63-bit");
  EXPECT_ERROR(file.FindFloat("a.uint8"), ErrorCode::kCorruption, "must be a float");
  EXPECT_ERROR(file.FindBool("a.uint8"), ErrorCode::kCorruption, "must be a bool");
  EXPECT_ERROR(file.FindString("list.strings"), ErrorCode::kCorruption, "an array of string");
  EXPECT_ERROR(file.FindStrings("list.ints"), ErrorCode::kCorruption, "must be an array of strings");
  EXPECT_ERROR(file.FindIntegers("list.floats"), ErrorCode::kCorruption, "must be an array of 63-bit integers");
  EXPECT_ERROR(file.FindFloats("list.ints"), ErrorCode::kCorruption, "must be an array of float32");
  EXPECT_ERROR(file.GetString("absent"), ErrorCode::kCorruption, "the metadata key absent is missing");
  EXPECT_EQ(file.FindString("absent"), std::nullopt);
}

TEST_F(GgufTest, TheRealModelHasItsTensorsAndVocabulary) {
  const GgufFile file(std::string(RETRO_DEPS_DIR) + "/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  EXPECT_EQ(file.Names().size(), 272u);
  std::map<DataType, int> types;
  for (const std::string& name : file.Names()) ++types[file.Find(name)->type];
  EXPECT_EQ(types[DataType::kQ4_1], 210);
  EXPECT_EQ(types[DataType::kQ8_0], 1);
  EXPECT_EQ(types[DataType::kF32], 61);
  EXPECT_THAT(file.Find("blk.29.ffn_down.weight")->shape, ElementsAre(576, 1536));
  EXPECT_EQ(file.GetStrings("tokenizer.ggml.tokens").size(), 49152u);
  EXPECT_EQ(file.GetStrings("tokenizer.ggml.merges").size(), 48900u);
}

TEST_F(GgufTest, VersionTwoIsReadAndOthersAreRefused) {
  GgufBuilder builder;
  builder.version = 2;
  EXPECT_NO_THROW(GgufFile(Write(builder.Integer("k", 1).Build())));
  for (const uint32_t version : {0u, 1u, 4u, UINT32_MAX}) {
    builder.version = version;
    ExpectRefused(builder, "retro reads versions 2 and 3", ErrorCode::kInvalidArgument);
  }
  builder.version = 0x03000000;
  ExpectRefused(builder, "big-endian", ErrorCode::kInvalidArgument);
  ExpectRefused(std::string("PK\x03\x04 and more"), "not a GGUF file");
}

TEST_F(GgufTest, CountsAreBoundedByTheBytesThatAreLeft) {
  const std::string whole = GgufBuilder().Integer("k", 1).Ones("t", {4}).Build();
  for (const uint64_t count : {uint64_t{1000}, uint64_t{1} << 40, kMax, kMax / 14, kMax / 25}) {
    ExpectRefused(std::string(whole).replace(8, 8, GgufBuilder::Bytes(count)), "tensors in");
    ExpectRefused(std::string(whole).replace(16, 8, GgufBuilder::Bytes(count)), "metadata keys in");
  }
}

TEST_F(GgufTest, LengthsInsideTheMetadataAreChecked) {
  const auto type_bytes = [](GgufType type) { return GgufBuilder::Bytes(static_cast<uint32_t>(type)); };
  for (const uint64_t length : {uint64_t{100}, uint64_t{1} << 60, kMax, kMax - 7}) {
    const std::string count = GgufBuilder::Bytes(length);
    ExpectRefused(GgufBuilder().Pair("k", GgufType::kString, count), "k needs");
    ExpectRefused(GgufBuilder().Pair("k", GgufType::kArray, type_bytes(GgufType::kInt32) + count), "k has");
    ExpectRefused(GgufBuilder().Pair("k", GgufType::kArray, type_bytes(GgufType::kFloat64) + count), "k has");
    ExpectRefused(GgufBuilder().Pair("k", GgufType::kArray, type_bytes(GgufType::kString) + count), "k has");
    ExpectRefused(GgufBuilder().Pair("k", GgufType::kArray, type_bytes(GgufType::kArray) + count), "k has");
  }
  ExpectRefused(GgufBuilder().Pair("", GgufType::kUint8, "1"), "a metadata key of 0 bytes");
  ExpectRefused(GgufBuilder().Pair(std::string(70000, 'k'), GgufType::kUint8, "1"), "a metadata key of 70000 bytes");
  ExpectRefused(GgufBuilder().Pair("k", static_cast<GgufType>(13), "1234"), "k has value type 13");
  ExpectRefused(GgufBuilder().Pair("k", GgufType::kBool, "\x02"), "k is neither 0 nor 1");
  ExpectRefused(GgufBuilder().Integer("k", 1).Integer("k", 1), "the key k occurs twice");
}

TEST_F(GgufTest, ArraysMayNestButNotDeeply) {
  const auto nested = [](int depth) {
    std::string value =
        GgufBuilder::Bytes(static_cast<uint32_t>(GgufType::kUint8)) + GgufBuilder::Bytes<uint64_t>(1) + "x";
    for (int i = 1; i < depth; ++i) {
      value = GgufBuilder::Bytes(static_cast<uint32_t>(GgufType::kArray)) + GgufBuilder::Bytes<uint64_t>(1) + value;
    }
    return GgufBuilder().Pair("k", GgufType::kArray, value);
  };
  EXPECT_NO_THROW(GgufFile(Write(nested(4).Build())));
  ExpectRefused(nested(5), "nests arrays deeper");
  ExpectRefused(nested(1000), "nests arrays deeper");
}

TEST_F(GgufTest, TheAlignmentIsAPowerOfTwoWithinBounds) {
  for (const uint32_t alignment : {0u, 4u, 24u, 1u << 30, UINT32_MAX}) {
    ExpectRefused(GgufBuilder().Integer("general.alignment", alignment), "general.alignment");
  }
  ExpectRefused(GgufBuilder().Text("general.alignment", "32"), "general.alignment");
  GgufBuilder builder;
  builder.alignment = 8;
  const GgufFile file(Write(builder.Integer("general.alignment", 8).Ones("a", {2}).Ones("b", {2}).Build()));
  EXPECT_THAT(Dequantize(*file.Find("b")), ElementsAre(1, 1));
}

TEST_F(GgufTest, TensorsMustLieInsideTheDataWithoutOverlap) {
  const auto at = [](uint64_t offset) {
    GgufBuilder builder;
    builder.data = std::string(128, 'x');
    return builder.Tensor("t", {16}, kF32, offset);
  };
  EXPECT_NO_THROW(GgufFile(Write(at(64).Build())));
  ExpectRefused(at(96), "tensor t has 64 bytes at 96");
  ExpectRefused(at(128), "tensor t has 64 bytes at 128");
  ExpectRefused(at(7), "not a multiple of 32");
  ExpectRefused(at(kMax - 31), "tensor t has 64 bytes");
  ExpectRefused(at(0).Tensor("u", {16}, kF32, 32), "begins at 32 inside");
  ExpectRefused(at(0).Tensor("u", {16}, kF32, 0), "inside the tensor before it");
  ExpectRefused(at(0).Tensor("t", {16}, kF32, 64), "tensor t occurs twice");
}

TEST_F(GgufTest, ShapesThatCannotBeAreRefused) {
  const auto shaped = [](const std::vector<uint64_t>& dims, uint32_t type = kF32) {
    GgufBuilder builder;
    builder.data = std::string(64, 'x');
    return builder.Tensor("t", dims, type, 0);
  };
  ExpectRefused(shaped({1, 1, 1, 1, 1}), "5 dimensions");
  ExpectRefused(shaped({0}), "a dimension of 0");
  ExpectRefused(shaped({kMax}), "a dimension of 18446744073709551615");
  ExpectRefused(shaped({uint64_t{1} << 62, 4}), "cannot have type F32");
  ExpectRefused(shaped({uint64_t{1} << 32, uint64_t{1} << 32}), "cannot have type F32");
  ExpectRefused(shaped({uint64_t{1} << 61}), "cannot have type F32");
  ExpectRefused(shaped({33}, 8), "cannot have type Q8_0");
  ExpectRefused(shaped({32, 8}, 12), "cannot have type Q4_K");
  ExpectRefused(shaped({16}, 10), "tensor t has GGML type 10", ErrorCode::kInvalidArgument);
  ExpectRefused(shaped({16}, UINT32_MAX), "GGML type 4294967295", ErrorCode::kInvalidArgument);
}

TEST_F(GgufTest, EveryTruncationOfTheHeaderOrDataIsRefused) {
  const std::string whole = ReadFile(kGoldenFile);
  // The last tensor's data ends 56 bytes before the file does: the writer pads to the alignment.
  const GgufFile file(kGoldenFile);
  const auto bytes = file.Find("quantized")->bytes;
  ASSERT_EQ(bytes.size(), 136u);
  const size_t needed = whole.size() - (64 - bytes.size() % 64) % 64;
  for (size_t length = 0; length < needed; ++length) {
    EXPECT_THROW(GgufFile(Write(whole.substr(0, length))), Error) << length;
  }
  EXPECT_NO_THROW(GgufFile(Write(whole.substr(0, needed))));
}

// Uses everything that the file gives, so that a view outside of the map is found by the sanitizers.
size_t ReadAll(const GgufFile& file) {
  size_t sum = 0;
  for (const std::string& name : file.Names()) {
    for (const std::byte byte : file.Find(name)->bytes) sum += static_cast<uint8_t>(byte);
  }
  for (const std::string& key : file.Keys()) {
    try {
      const std::vector<std::string_view> strings = file.GetStrings(key);
      for (const std::string_view text : strings) sum += text.size() + (text.empty() ? 0 : text[0]);
    } catch (const Error&) {
      sum += file.FindValue(key)->bytes.size();
    }
  }
  return sum;
}

TEST_F(GgufTest, AFlippedBitEitherLoadsOrIsAnError) {
  const std::string whole = ReadFile(kGoldenFile);
  std::mt19937 random(11);
  size_t refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string damaged = whole;
    for (size_t flips = 1 + random() % 3; flips > 0; --flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1u << random() % 8);
    }
    try {
      EXPECT_GT(ReadAll(GgufFile(Write(damaged))), 0u);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("model.gguf"));
      ++refused;
    }
  }
  EXPECT_GT(refused, 500u);
}

TEST_F(GgufTest, EveryEightBytesMayBeZeroOrMinusOneOrHuge) {
  const std::string whole = ReadFile(kGoldenFile);
  size_t refused = 0;
  for (size_t at = 0; at + 8 <= whole.size(); ++at) {
    for (const uint64_t value : {uint64_t{0}, kMax, uint64_t{INT64_MAX}, uint64_t{1} << 32}) {
      const std::string damaged = std::string(whole).replace(at, 8, GgufBuilder::Bytes(value));
      try {
        const GgufContents contents = ParseGguf(std::as_bytes(std::span(damaged)), "model.gguf");
        for (const auto& [name, view] : contents.tensors)
          EXPECT_EQ(view.bytes.size(), TensorBytes(view.type, view.shape));
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace retro
