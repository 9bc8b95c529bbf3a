// What a PackedMatrix holds; for the files of this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "model/kernels/kernels.h"

namespace retro {

namespace kernels {

// Memory that starts on a page, in pages of 2 MiB where the system gives them: weights are read from end to end.
class PageBuffer {
 public:
  explicit PageBuffer(size_t bytes);
  std::byte* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t bytes_;
};

}  // namespace kernels

struct PackedMatrix::State {
  int64_t num_outputs, num_inputs;
  int64_t depth;  // num_inputs; quantized: rounded up to whole groups
  std::optional<kernels::QuantizedFormat> quantized;
  size_t panel_bytes;
  // Quantized: records of a panel one after the other. Else fp32 [num_inputs, 16] a panel. Outputs beyond num_outputs
  // are zeros.
  kernels::PageBuffer panels;

  int64_t num_panels() const { return (num_outputs + kernels::kPanel - 1) / kernels::kPanel; }
  std::byte* panel(int64_t index) const { return panels.data() + index * panel_bytes; }
  // Of fp32 panels.
  float* floats(int64_t index) const { return reinterpret_cast<float*>(panel(index)); }
};

}  // namespace retro
