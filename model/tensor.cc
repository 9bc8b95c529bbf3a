#include "model/tensor.h"

#include <algorithm>

#include "core/error.h"
#include "model/dequantize.h"

namespace retro {
namespace {

struct Layout {
  DataType type;
  std::string_view name;
  size_t elements, bytes;
};

// In the order of the enumeration.
constexpr Layout kLayouts[] = {
    {DataType::kF32, "F32", 1, 4},       {DataType::kF16, "F16", 1, 2},       {DataType::kBF16, "BF16", 1, 2},
    {DataType::kF64, "F64", 1, 8},       {DataType::kI64, "I64", 1, 8},       {DataType::kI32, "I32", 1, 4},
    {DataType::kI16, "I16", 1, 2},       {DataType::kI8, "I8", 1, 1},         {DataType::kU8, "U8", 1, 1},
    {DataType::kBool, "BOOL", 1, 1},     {DataType::kQ8_0, "Q8_0", 32, 34},   {DataType::kQ4_0, "Q4_0", 32, 18},
    {DataType::kQ4_1, "Q4_1", 32, 20},   {DataType::kQ5_0, "Q5_0", 32, 22},   {DataType::kQ5_1, "Q5_1", 32, 24},
    {DataType::kQ4_K, "Q4_K", 256, 144}, {DataType::kQ5_K, "Q5_K", 256, 176}, {DataType::kQ6_K, "Q6_K", 256, 210},
};

constexpr bool LayoutsFollowTheEnumeration() {
  for (size_t i = 0; i < std::size(kLayouts); ++i) {
    if (static_cast<size_t>(kLayouts[i].type) != i) return false;
  }
  return std::size(kLayouts) == static_cast<size_t>(DataType::kQ6_K) + 1;
}
static_assert(LayoutsFollowTheEnumeration());

const Layout& LayoutOf(DataType type) { return kLayouts[static_cast<size_t>(type)]; }

}  // namespace

std::string_view DataTypeName(DataType type) { return LayoutOf(type).name; }
size_t BlockElements(DataType type) { return LayoutOf(type).elements; }
size_t BlockBytes(DataType type) { return LayoutOf(type).bytes; }

std::optional<uint64_t> TensorBytes(DataType type, std::span<const int64_t> shape) {
  const Layout& layout = LayoutOf(type);
  const int64_t innermost = shape.empty() ? 1 : shape.back();
  if (innermost % static_cast<int64_t>(layout.elements) != 0) return std::nullopt;
  int64_t elements = 1;
  for (const int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(elements, dim, &elements)) return std::nullopt;
  }
  int64_t bytes;
  const auto blocks = elements / static_cast<int64_t>(layout.elements);
  if (__builtin_mul_overflow(blocks, static_cast<int64_t>(layout.bytes), &bytes)) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

std::string ShapeText(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t dim : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dim);
  }
  return text + "]";
}

int64_t TensorView::num_elements() const {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

void DequantizeTo(const TensorView& tensor, int64_t begin, std::span<float> out) {
  if (!IsWeightType(tensor.type)) {
    Throw(ErrorCode::kInvalidArgument,
          "tensor {} has type {}, which cannot be read as weights: convert it to F32, F16 or BF16", tensor.name,
          DataTypeName(tensor.type));
  }
  const size_t elements = BlockElements(tensor.type);
  const size_t bytes = BlockBytes(tensor.type);
  const auto first = static_cast<size_t>(begin);
  if (begin < 0 || first % elements != 0 || out.size() % elements != 0) {
    Throw(ErrorCode::kInternal, "tensor {}: elements {} + {} are not whole {} blocks", tensor.name, begin, out.size(),
          DataTypeName(tensor.type));
  }
  const size_t available = tensor.bytes.size() / bytes;
  const size_t first_block = first / elements;
  const size_t num_blocks = out.size() / elements;
  if (first_block > available || num_blocks > available - first_block) {
    Throw(ErrorCode::kInternal, "tensor {}: elements {} + {} are outside of it", tensor.name, begin, out.size());
  }
  DequantizeBlocks(tensor.type, tensor.bytes.data() + first_block * bytes, num_blocks, out.data());
}

std::vector<float> Dequantize(const TensorView& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.num_elements()));
  DequantizeTo(tensor, 0, out);
  return out;
}

const TensorView& TensorSource::Get(std::string_view name, std::span<const int64_t> shape) const {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr) {
    Throw(ErrorCode::kCorruption, "{}: tensor {} is missing; the file is not a whole model of this architecture",
          Describe(), name);
  }
  if (!std::ranges::equal(tensor->shape, shape)) {
    Throw(ErrorCode::kCorruption, "{}: tensor {} has shape {}, the configuration needs {}", Describe(), name,
          ShapeText(tensor->shape), ShapeText(shape));
  }
  return *tensor;
}

}  // namespace retro
