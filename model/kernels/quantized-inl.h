// Products with quantized weights as they are stored.
//
// Rows of x become 16-bit integers with a scale for each 32 inputs: their error is 2^-16 of the largest of the 32.
// Sums of products are exact in 32 bits: 32 * 127 * 32767 < 2^31. One output is one lane, so nothing is added across.
#pragma once

#include <cstdint>
#include <cstring>

#include "model/kernels/functions-inl.h"
#include "model/kernels/kernels.h"

namespace retro::kernels {
namespace {

// Rows of x that share one pass over the weights' bits.
constexpr int kIntegerRows = kLanes == 16 ? 12 : 4;
// Bytes that weights are asked for ahead of their use.
constexpr int64_t kPrefetchBytes = 2048;

void QuantizeGroup(const float* x, int zero_point, int16_t* quants, float* scale, float* sum, int32_t* offset) {
  Floats largest = Set(0.0f), total = Set(0.0f);
  for (int i = 0; i < kGroup; i += kLanes) {
    largest = Max(largest, Abs(Load(x + i)));
    total = total + Load(x + i);
  }
  const float magnitude = Largest(largest);
  // A group this small adds nothing, and its inverse would overflow.
  const float inverse = magnitude < 1e-30f ? 0.0f : 32767.0f / magnitude;
  Ints quant_sum = SetInts(0);
  for (int i = 0; i < kGroup; i += kLanes) {
    const Ints quant = Round(Load(x + i) * Set(inverse));
    quant_sum = AddInts(quant_sum, quant);
    StoreShorts(quants + i, quant);
  }
  *scale = magnitude / 32767.0f;
  *sum = Sum(total);
  *offset = -zero_point * SumInts(quant_sum);
}

void QuantizeRow(const float* x, int64_t count, int zero_point, int64_t padded, int16_t* quants, float* scales,
                 float* sums, int32_t* offsets) {
  for (int64_t begin = 0; begin < padded; begin += kGroup) {
    const int64_t group = begin / kGroup;
    const float* from = x + begin;
    float last[kGroup] = {};
    if (begin + kGroup > count) {
      std::memcpy(last, from, (count - begin) * sizeof(float));
      from = last;
    }
    QuantizeGroup(from, zero_point, quants + begin, scales + group, sums + group, offsets + group);
  }
}

inline Floats LoadScales(const QuantizedFormat& format, const std::byte* scales, int vector) {
  if (format.half_scales) return LoadHalves(reinterpret_cast<const uint16_t*>(scales) + vector * kLanes);
  return Load(reinterpret_cast<const float*>(scales) + vector * kLanes);
}

// Calls body(pair, words) for each pair of inputs of a record: in each lane the two weights of an output, 16 bits each.
template <int bits, int group, typename Body>
inline __attribute__((always_inline)) void ForPairs(const std::byte* record, int vector, const Body& body) {
  if constexpr (bits == 8) {
    const auto* bytes = reinterpret_cast<const int8_t*>(record) + vector * kLanes * 2;
#pragma GCC unroll 16
    for (int pair = 0; pair < group / 2; ++pair) body(pair, WidenBytes(bytes + pair * kPanel * 2));
  } else {
    const Ints nibble = SetInts(0x000f000f);
#pragma GCC unroll 4
    for (int quad = 0; quad < 4; ++quad) {
      const Ints words = LoadInts(record + (quad * kPanel + vector * kLanes) * 4);
      body(4 * quad, And(words, nibble));
      body(4 * quad + 1, And(ShiftShortsRight<4>(words), nibble));
      body(4 * quad + 2, And(ShiftShortsRight<8>(words), nibble));
      body(4 * quad + 3, ShiftShortsRight<12>(words));
    }
  }
}

template <int bits, int group, int R>
void IntegerTile(const QuantizedFormat& format, const std::byte* record, const QuantizedRows& x, int64_t first_row,
                 float* c, int64_t c_stride) {
  constexpr int kVectors = kPanel / kLanes;
  constexpr int kRecordsPerScale = kGroup / group;
  Floats totals[R][kVectors];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) totals[r][v] = Set(0.0f);
  }
  const size_t record_bytes = format.record_bytes();
  const int64_t num_groups = x.num_inputs / kGroup;
  const int16_t* quants = x.quants + first_row * x.num_inputs;
  for (int64_t i = 0; i < num_groups * kRecordsPerScale; ++i, record += record_bytes) {
    const int64_t at = first_row * num_groups + i / kRecordsPerScale;
    for (size_t line = 0; line < record_bytes; line += 64) __builtin_prefetch(record + kPrefetchBytes + line);
    const std::byte* scales = record + format.weight_bytes();
    const std::byte* minimums = scales + format.scale_bytes();
#pragma GCC unroll 1
    for (int v = 0; v < kVectors; ++v) {
      Ints sums[R];
      for (int r = 0; r < R; ++r) sums[r] = SetInts(x.offsets[at + r * num_groups]);
      ForPairs<bits, group>(
          record, v, [&](int pair, Ints weights) __attribute__((always_inline)) {
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
              int32_t values;
              std::memcpy(&values, quants + r * x.num_inputs + i * group + 2 * pair, sizeof values);
              sums[r] = AddPairProducts(sums[r], weights, SetInts(values));
              Settle(sums[r]);
            }
          });
      const Floats scale = LoadScales(format, scales, v);
      for (int r = 0; r < R; ++r) {
        totals[r][v] = Fma(ToFloats(sums[r]) * Set(x.scales[at + r * num_groups]), scale, totals[r][v]);
      }
      if (format.has_minimum) {
        const Floats minimum = LoadScales(format, minimums, v);
        for (int r = 0; r < R; ++r) {
          totals[r][v] = Fma(Set(x.sums[at + r * num_groups]), minimum, totals[r][v]);
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) Store(c + (first_row + r) * c_stride + v * kLanes, totals[r][v]);
  }
}

template <int bits, int group, int R>
void IntegerRows(const QuantizedFormat& format, const std::byte* panel, const QuantizedRows& x, int64_t first_row,
                 int64_t num_rows, float* c, int64_t c_stride) {
  if (num_rows == R) return IntegerTile<bits, group, R>(format, panel, x, first_row, c, c_stride);
  if constexpr (R > 1) IntegerRows<bits, group, R - 1>(format, panel, x, first_row, num_rows, c, c_stride);
}

template <int bits, int group>
void IntegerPanel(const QuantizedFormat& format, const std::byte* panel, const QuantizedRows& x, int64_t num_rows,
                  float* c, int64_t c_stride) {
  const int64_t passes = (num_rows + kIntegerRows - 1) / kIntegerRows;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t begin = pass * num_rows / passes, end = (pass + 1) * num_rows / passes;
    IntegerRows<bits, group, kIntegerRows>(format, panel, x, begin, end - begin, c, c_stride);
  }
}

void IntegerProducts(const QuantizedFormat& format, const std::byte* panel, const QuantizedRows& x, int64_t num_rows,
                     float* c, int64_t c_stride) {
  if (format.bits == 4) return IntegerPanel<4, 32>(format, panel, x, num_rows, c, c_stride);
  if (format.group == 16) return IntegerPanel<8, 16>(format, panel, x, num_rows, c, c_stride);
  IntegerPanel<8, 32>(format, panel, x, num_rows, c, c_stride);
}

template <int bits, int group>
void WidenRecords(const QuantizedFormat& format, const std::byte* record, int64_t count, float* out) {
  const Floats zero_point = Set(static_cast<float>(format.zero_point));
  for (; count > 0; --count, record += format.record_bytes(), out += group * kPanel) {
    const std::byte* scales = record + format.weight_bytes();
    for (int v = 0; v < kPanel / kLanes; ++v) {
      const Floats scale = LoadScales(format, scales, v);
      const Floats minimum = format.has_minimum ? LoadScales(format, scales + format.scale_bytes(), v) : Set(0.0f);
      ForPairs<bits, group>(
          record, v, [&](int pair, Ints weights) __attribute__((always_inline)) {
            float* to = out + 2 * pair * kPanel + v * kLanes;
            Store(to, Fma(ToFloats(EvenShorts(weights)) - zero_point, scale, minimum));
            Store(to + kPanel, Fma(ToFloats(OddShorts(weights)) - zero_point, scale, minimum));
          });
    }
  }
}

void DequantizeRecords(const QuantizedFormat& format, const std::byte* panel, int64_t begin, int64_t end, float* out) {
  const std::byte* record = panel + begin * format.record_bytes();
  if (format.bits == 4) return WidenRecords<4, 32>(format, record, end - begin, out);
  if (format.group == 16) return WidenRecords<8, 16>(format, record, end - begin, out);
  WidenRecords<8, 32>(format, record, end - begin, out);
}

}  // namespace
}  // namespace retro::kernels
