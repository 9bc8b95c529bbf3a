// Inside the kernels: what each instruction set provides, and the formats of packed weights. Callers use matmul.h and
// vector_ops.h; tests use this to run every instruction set of the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/kernels/matmul.h"
#include "model/kernels/vector_ops.h"

namespace retro::kernels {

// Outputs of one panel. Every instruction set packs alike.
constexpr int64_t kPanel = 16;
// Inputs that share one scale of x when products run on integers.
constexpr int64_t kGroup = 32;

// Quantized weights: value = scale * (q - zero_point) + minimum. A panel holds one record for each group of inputs:
// the q of 16 outputs, 16 scales, then 16 minimums if the format has them.
// 8 bits: for each pair of inputs, for each output, two signed bytes.
// 4 bits: for each 8 inputs, for each output, two 16-bit words, of the even and the odd inputs; nibble i of a word
// belongs to pair i.
struct QuantizedFormat {
  int bits = 8;             // 4 or 8
  int64_t group = kGroup;   // inputs of one record: 32; or 16 with 8 bits, no minimum and no zero point
  bool half_scales = true;  // scales and minimums are IEEE halves, else fp32
  bool has_minimum = false;
  int zero_point = 0;

  // Always inlined: no copy that was compiled for a wider instruction set may reach other files.
  [[gnu::always_inline]] size_t weight_bytes() const { return kPanel * group * bits / 8; }
  [[gnu::always_inline]] size_t scale_bytes() const { return kPanel * (half_scales ? 2 : 4); }
  [[gnu::always_inline]] size_t record_bytes() const { return weight_bytes() + scale_bytes() * (has_minimum ? 2 : 1); }
};

// Rows of x as integers: value = scale of the group * q, |q| <= 32767.
struct QuantizedRows {
  const int16_t* quants;   // [rows, num_inputs]
  const float* scales;     // [rows, num_inputs / 32]
  const float* sums;       // [rows, num_inputs / 32]: of the values of each group
  const int32_t* offsets;  // [rows, num_inputs / 32]: of the q of each group, times -zero_point
  int64_t num_inputs;      // a multiple of 32
};

// Weights in 8 bits for int8_matmul.h: value = scale * q, |q| <= 127, with a scale for each output and group of inputs.
// A panel holds one record for each group: for each four inputs, for each of 16 outputs, four signed bytes; then 16
// fp32 scales and the 16 sums of the group's values. Inputs are filled up to a multiple of kPanel with zeros.
constexpr int64_t kInt8Group = 128;
constexpr int64_t kInt8Quad = 4;
constexpr int64_t kInt8ScaleBytes = 2 * kPanel * sizeof(float);
[[gnu::always_inline]] constexpr int64_t Int8Depth(int64_t num_inputs) {
  return (num_inputs + kPanel - 1) / kPanel * kPanel;
}
// Fours of inputs in a group.
[[gnu::always_inline]] constexpr int64_t Int8Quads(int64_t num_inputs, int64_t group) {
  const int64_t rest = Int8Depth(num_inputs) - group * kInt8Group;
  return (rest < kInt8Group ? rest : kInt8Group) / kInt8Quad;
}

// Rows of x in 8 bits: value = minimum + scale * q of its group, 0 <= q <= 255. A sum of a group's products stays below
// 128 * 255 * 127 < 2^22: exact as an integer and as fp32.
struct Int8Rows {
  const uint32_t* words;  // [rows, row_words]: q in the order of the instruction set
  const float* scales;    // [rows, num_groups]
  const float* minimums;  // [rows, num_groups]
  int64_t row_words, num_groups, num_inputs;
};

// One instruction set. Pointers need no alignment except where said.
struct KernelTable {
  const char* name;

  // c[r, p * 16 + j] (=, or += when `accumulate`) sum over k of x[r, k] * panel p [k, j], for k < depth.
  // `panel_stride`: floats from one panel to the next. `streaming`: the weights come from memory, not from a cache.
  struct GemmArgs {
    const float* x;
    int64_t x_stride;
    int64_t num_rows;
    int64_t depth;
    const float* panels;
    int64_t row_stride;  // floats from panel row k to k + 1: 16 where panels are packed
    int64_t panel_stride;
    int64_t num_panels;
    float* c;
    int64_t c_stride;
    bool accumulate;
    bool streaming;
  };
  void (*gemm)(const GemmArgs& args);
  int64_t gemm_rows;    // rows that run best together
  int64_t gemm_panels;  // panels likewise

  // One panel's groups [begin, end) as fp32: out is [(end - begin) * group, 16].
  void (*dequantize)(const QuantizedFormat& format, const std::byte* panel, int64_t begin, int64_t end, float* out);

  // One row of `count` inputs; `padded` is count rounded up to 32, and what is beyond count becomes 0.
  void (*quantize_row)(const float* x, int64_t count, int zero_point, int64_t padded, int16_t* quants, float* scales,
                       float* sums, int32_t* offsets);
  // c [num_rows, 16] with c_stride, of one panel.
  void (*integer_products)(const QuantizedFormat& format, const std::byte* panel, const QuantizedRows& x,
                           int64_t num_rows, float* c, int64_t c_stride);

  int64_t quad_words;   // words of Int8Rows for four inputs
  int64_t int8_panels;  // panels of one call that run best together
  // One row of `count` inputs. Words of inputs beyond count may be of any value: `words` has room for Int8Depth(count).
  void (*quantize_int8_row)(const float* x, int64_t count, uint32_t* words, float* scales, float* minimums);
  // c [num_rows, 16 * num_panels] with c_stride; panels lie panel_bytes apart.
  void (*int8_products)(const std::byte* panels, int64_t panel_bytes, int64_t num_panels, const Int8Rows& x,
                        int64_t num_rows, float* c, int64_t c_stride);

  // Stores a tile of products: `columns` of them from output `first` on, in y at the place of column 0 of the output.
  void (*finish)(const float* c, int64_t c_stride, int64_t num_rows, int64_t columns, int64_t first,
                 const Epilogue& epilogue, float* y, int64_t y_stride);

  void (*rms_norm)(const float* x, const float* weight, int64_t dim, float eps, float* y);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, int64_t dim, float eps, float* y);
  void (*softmax)(float* row, int64_t dim);
  float (*log_sum_exp)(const float* row, int64_t dim);
  int64_t (*arg_max)(const float* row, int64_t dim);
  void (*apply_rotary)(float* heads, int64_t num_heads, int64_t head_dim, const float* cosines, const float* sines,
                       RotaryPairing pairing);
  // `scratch`: AttentionScratch(args) floats.
  void (*attention)(const AttentionArgs& args, float* scratch);
};

// Up to so many rows fp32 products take several panels at a time.
constexpr int64_t kFewRows = 3;

// Rows (queries times heads) and keys of one block of attention, and the floats that a call works in.
constexpr int64_t kAttentionRows = 128;
constexpr int64_t kAttentionKeys = 128;
constexpr int64_t AttentionScratch(const AttentionArgs& args) {
  const int64_t rows =
      args.num_queries * args.num_heads < kAttentionRows ? args.num_queries * args.num_heads : kAttentionRows;
  const int64_t padded_dim = (args.head_dim + kPanel - 1) / kPanel * kPanel;
  // Of each row: query, sum of values, scores, running maximum and sum. Then keys as panels, if they are not, and the
  // values' last panel.
  return rows * (args.head_dim + padded_dim + kAttentionKeys + 2) + kAttentionKeys * (args.head_dim + kPanel);
}

// Null where the compiler or the processor does not have the instructions.
const KernelTable* PortableKernels();
const KernelTable* Avx2Kernels();
const KernelTable* Avx512Kernels();

// The one in use.
const KernelTable& ActiveKernels();

void MatMul(const KernelTable& kernels, const float* x, int64_t num_rows, int64_t x_stride, const PackedMatrix& weights,
            float* y, int64_t y_stride, const Epilogue& epilogue, ThreadPool& pool);
void Attention(const KernelTable& kernels, const AttentionArgs& args);

}  // namespace retro::kernels
