#include "model/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"

namespace retro {
namespace {

constexpr uint64_t kMaxKeyBytes = 65535;  // the format's own limit
constexpr uint64_t kMaxTensorNameBytes = 1024;
constexpr uint32_t kMaxDims = 4;
constexpr uint32_t kMaxArrayDepth = 4;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
// The shortest possible entries: an empty-valued key, a tensor without dimensions.
constexpr uint64_t kMinPairBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 4 + 8;

struct TensorType {
  uint32_t number;
  DataType type;
};

constexpr TensorType kTensorTypes[] = {
    {0, DataType::kF32},   {1, DataType::kF16},   {2, DataType::kQ4_0}, {3, DataType::kQ4_1},
    {6, DataType::kQ5_0},  {7, DataType::kQ5_1},  {8, DataType::kQ8_0}, {12, DataType::kQ4_K},
    {13, DataType::kQ5_K}, {14, DataType::kQ6_K}, {24, DataType::kI8},  {25, DataType::kI16},
    {26, DataType::kI32},  {27, DataType::kI64},  {28, DataType::kF64}, {30, DataType::kBF16},
};

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  GgufContents Parse() {
    ParseFixedPart();
    for (uint64_t i = 0; i < num_pairs_; ++i) ParsePair();
    const uint64_t alignment = Alignment();
    for (uint64_t i = 0; i < num_tensors_; ++i) ParseTensor(alignment);
    PlaceTensors(alignment);
    return std::move(contents_);
  }

 private:
  struct Placement {
    TensorView* view;
    uint64_t offset, size;
  };

  template <typename... Args>
  [[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) const {
    Throw(ErrorCode::kCorruption, "{}: {}; the file was cut or damaged, get it again", path_,
          fmt::format(format, std::forward<Args>(args)...));
  }

  uint64_t left() const { return bytes_.size() - position_; }

  std::span<const std::byte> Take(uint64_t count, std::string_view what) {
    if (count > left()) Fail("{} needs {} bytes at byte {}, {} are left", what, count, position_, left());
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  template <typename T>
  T TakeNumber(std::string_view what) {
    T value;
    std::memcpy(&value, Take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string TakeName(std::string_view what, uint64_t max_bytes) {
    const auto length = TakeNumber<uint64_t>(what);
    if (length == 0 || length > max_bytes) Fail("{} of {} bytes at byte {}", what, length, position_);
    const auto bytes = Take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void ParseFixedPart() {
    if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
      Throw(ErrorCode::kCorruption, "{}: does not begin with \"GGUF\": this is not a GGUF file", path_);
    }
    position_ = 4;
    const auto version = TakeNumber<uint32_t>("the version");
    if (version != 0 && (version & 0xffff) == 0) {
      Throw(ErrorCode::kInvalidArgument, "{}: a big-endian GGUF file, which retro does not read; convert it", path_);
    }
    if (version != 2 && version != 3) {
      Throw(ErrorCode::kInvalidArgument, "{}: GGUF version {}; retro reads versions 2 and 3", path_, version);
    }
    contents_.version = version;
    num_tensors_ = TakeNumber<uint64_t>("the tensor count");
    num_pairs_ = TakeNumber<uint64_t>("the metadata count");
    if (num_pairs_ > left() / kMinPairBytes) Fail("{} metadata keys in {} bytes", num_pairs_, left());
    if (num_tensors_ > left() / kMinTensorBytes) Fail("{} tensors in {} bytes", num_tensors_, left());
  }

  GgufType TakeType(const std::string& key) {
    const auto number = TakeNumber<uint32_t>("a value type");
    if (number > static_cast<uint32_t>(GgufType::kFloat64)) Fail("{} has value type {}", key, number);
    return static_cast<GgufType>(number);
  }

  void ParsePair() {
    std::string key = TakeName("a metadata key", kMaxKeyBytes);
    GgufValue value;
    value.type = TakeType(key);
    if (value.type == GgufType::kArray) {
      value.element = TakeType(key);
      value.count = TakeNumber<uint64_t>("an array length");
    }
    const uint64_t begin = position_;
    if (value.type == GgufType::kArray) {
      SkipElements(value.element, value.count, key, 1);
    } else {
      SkipElements(value.type, 1, key, 0);
    }
    value.bytes = bytes_.subspan(begin, position_ - begin);
    if (value.type == GgufType::kBool && static_cast<uint8_t>(value.bytes[0]) > 1) Fail("{} is neither 0 nor 1", key);
    const auto [at, added] = contents_.metadata.emplace(std::move(key), value);
    if (!added) Fail("the key {} occurs twice", at->first);
  }

  void SkipElements(GgufType type, uint64_t count, const std::string& key, uint32_t depth) {
    if (const size_t size = GgufScalarBytes(type); size != 0) {
      if (count > left() / size) Fail("{} has {} elements, {} bytes are left", key, count, left());
      position_ += count * size;
    } else if (type == GgufType::kString) {
      if (count > left() / sizeof(uint64_t)) Fail("{} has {} strings, {} bytes are left", key, count, left());
      for (uint64_t i = 0; i < count; ++i) Take(TakeNumber<uint64_t>(key), key);
    } else {
      SkipArrays(count, key, depth);
    }
  }

  void SkipArrays(uint64_t count, const std::string& key, uint32_t depth) {
    if (depth >= kMaxArrayDepth) Fail("{} nests arrays deeper than {} levels", key, kMaxArrayDepth);
    if (count > left() / 12) Fail("{} has {} arrays, {} bytes are left", key, count, left());
    for (uint64_t i = 0; i < count; ++i) {
      const GgufType element = TakeType(key);
      const auto length = TakeNumber<uint64_t>(key);
      SkipElements(element, length, key, depth + 1);
    }
  }

  uint64_t Alignment() const {
    const auto found = contents_.metadata.find("general.alignment");
    if (found == contents_.metadata.end()) return 32;
    const GgufValue& value = found->second;
    uint32_t alignment = 0;
    if (value.type == GgufType::kUint32) std::memcpy(&alignment, value.bytes.data(), sizeof(alignment));
    if (!std::has_single_bit(alignment) || alignment < 8 || alignment > kMaxAlignment) {
      Fail("general.alignment is {}, must be a power of two from 8 to {}", alignment, kMaxAlignment);
    }
    return alignment;
  }

  DataType TakeTensorType(const std::string& name) {
    const auto number = TakeNumber<uint32_t>("a tensor type");
    for (const TensorType& known : kTensorTypes) {
      if (known.number == number) return known.type;
    }
    Throw(ErrorCode::kInvalidArgument,
          "{}: tensor {} has GGML type {}, which retro does not read; use a file in F32, F16, BF16, Q8_0, Q4_0, Q4_1, "
          "Q5_0, Q5_1, Q4_K, Q5_K or Q6_K",
          path_, name, number);
  }

  void ParseTensor(uint64_t alignment) {
    TensorView view;
    view.name = TakeName("a tensor name", kMaxTensorNameBytes);
    const auto num_dims = TakeNumber<uint32_t>("a number of dimensions");
    if (num_dims > kMaxDims) Fail("tensor {} has {} dimensions", view.name, num_dims);
    for (uint32_t i = 0; i < num_dims; ++i) {
      const auto dim = TakeNumber<uint64_t>("a dimension");
      if (dim == 0 || dim > INT64_MAX) Fail("tensor {} has a dimension of {}", view.name, dim);
      view.shape.push_back(static_cast<int64_t>(dim));
    }
    std::ranges::reverse(view.shape);
    view.type = TakeTensorType(view.name);
    const auto offset = TakeNumber<uint64_t>("a tensor offset");
    const std::optional<uint64_t> size = TensorBytes(view.type, view.shape);
    if (!size)
      Fail("tensor {} cannot have type {} and shape {}", view.name, DataTypeName(view.type), ShapeText(view.shape));
    if (offset % alignment != 0) Fail("tensor {} begins at {}, not a multiple of {}", view.name, offset, alignment);
    std::string name = view.name;
    const auto [at, added] = contents_.tensors.emplace(std::move(name), std::move(view));
    if (!added) Fail("tensor {} occurs twice", at->first);
    placements_.push_back({&at->second, offset, *size});
  }

  // Offsets count from the end of the header, rounded up to the alignment.
  void PlaceTensors(uint64_t alignment) {
    if (placements_.empty()) return;
    const uint64_t padding = (alignment - position_ % alignment) % alignment;
    if (padding > left()) Fail("it ends before the tensors' data");
    const auto data = bytes_.subspan(position_ + padding);
    std::ranges::sort(placements_, {}, &Placement::offset);
    uint64_t end_of_last = 0;
    for (const Placement& placement : placements_) {
      const auto [view, offset, size] = placement;
      if (offset > data.size() || size > data.size() - offset) {
        Fail("tensor {} has {} bytes at {}, the file has {} bytes of data", view->name, size, offset, data.size());
      }
      if (offset < end_of_last) Fail("tensor {} begins at {} inside the tensor before it", view->name, offset);
      end_of_last = offset + size;
      view->bytes = data.subspan(offset, size);
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& path_;
  uint64_t position_ = 0, num_tensors_ = 0, num_pairs_ = 0;
  GgufContents contents_;
  std::vector<Placement> placements_;
};

}  // namespace

GgufContents ParseGguf(std::span<const std::byte> bytes, const std::string& path) {
  return Parser(bytes, path).Parse();
}

size_t GgufScalarBytes(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kBool:
      return 1;
    case GgufType::kUint16:
    case GgufType::kInt16:
      return 2;
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kFloat32:
      return 4;
    case GgufType::kUint64:
    case GgufType::kInt64:
    case GgufType::kFloat64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

std::string_view GgufTypeName(GgufType type) {
  constexpr std::string_view kNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                         "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<size_t>(type)];
}

}  // namespace retro
