// The table of an instruction set; the last thing that its file includes.
#pragma once

#include "model/kernels/attention-inl.h"
#include "model/kernels/gemm-inl.h"
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
