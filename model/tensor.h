// A named array inside a weight file, as the file stores it. No LibTorch here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retro {

// Element formats that retro reads. The quantized ones are GGML's blocks (docs/formats.md).
enum class DataType {
  kF32,
  kF16,
  kBF16,
  kF64,
  kI64,
  kI32,
  kI16,
  kI8,
  kU8,
  kBool,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K
};

std::string_view DataTypeName(DataType type);
size_t BlockElements(DataType type);  // 1 for plain types, 32 or 256 for quantized ones
size_t BlockBytes(DataType type);

// Bytes of an array of this type and shape; nothing when a dimension is negative, the innermost one is not a multiple
// of the block, or a product does not fit 63 bits.
std::optional<uint64_t> TensorBytes(DataType type, std::span<const int64_t> shape);
std::string ShapeText(std::span<const int64_t> shape);  // "[2, 3]"

// A view: `bytes` belong to the file that it came from and live as long as that does. They need not be aligned to the
// element size (safetensors promises none).
struct TensorView {
  std::string name;
  DataType type = DataType::kF32;
  std::vector<int64_t> shape;  // row-major, outermost first (GGUF's reversed order is undone by its reader)
  std::span<const std::byte> bytes;

  int64_t num_elements() const;
};

// Elements [begin, begin + out.size()) as fp32. Throws Error(kInvalidArgument) when the tensor's type is kF64 or not a
// float type. REQUIRES: both are multiples of the block size and inside the tensor.
void DequantizeTo(const TensorView& tensor, int64_t begin, std::span<float> out);
std::vector<float> Dequantize(const TensorView& tensor);

// A read-only set of named tensors. Const methods are safe from many threads.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual const TensorView* Find(std::string_view name) const = 0;  // null when there is none
  virtual std::vector<std::string> Names() const = 0;
  virtual std::string Describe() const = 0;  // the file's path, for messages
  // Throws Error(kCorruption) naming file and tensor when it is missing or has another shape.
  const TensorView& Get(std::string_view name, std::span<const int64_t> shape) const;
};

}  // namespace retro
