// The table of an instruction set; the last thing that its file includes.
#pragma once

#include "model/kernels/attention-inl.h"
#include "model/kernels/gemm-inl.h"
#include "model/kernels/int8_gemm-inl.h"
#include "model/kernels/kernels.h"
#include "model/kernels/quantized-inl.h"
#include "model/kernels/vector_ops-inl.h"

namespace retro::kernels {
namespace {

constexpr KernelTable MakeTable(const char* name) {
  return {.name = name,
          .gemm = Gemm,
          .gemm_rows = kTileRows,
          .gemm_panels = kTilePanels,
          .dequantize = DequantizeRecords,
          .quantize_row = QuantizeRow,
          .integer_products = IntegerProducts,
          .quad_words = kQuadWords,
          .int8_panels = kInt8TilePanels,
          .quantize_int8_row = QuantizeInt8Row,
          .int8_products = Int8Products,
          .finish = Finish,
          .rms_norm = RmsNorm,
          .layer_norm = LayerNorm,
          .softmax = Softmax,
          .log_sum_exp = LogSumExp,
          .arg_max = ArgMax,
          .apply_rotary = ApplyRotary,
          .attention = Attention};
}

}  // namespace
}  // namespace retro::kernels
