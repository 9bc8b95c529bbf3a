// TensorBoard's event files: TFRecord framing (length, masked CRC-32C of it, data, masked CRC-32C of the data) around
// Event messages of protocol buffers, written by hand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/descriptor.h"

namespace retro {

// CRC-32C (Castagnoli), as in iSCSI.
uint32_t Crc32c(std::string_view bytes);

// A curve's value at a step.
struct Scalar {
  std::string_view tag;  // "train/loss"
  float value;
};

// Adds to a file that readers may follow while it grows. One thread at a time.
class TensorboardWriter {
 public:
  // Makes FOLDER/events.out.tfevents.SECONDS.NAME. Readers drop what earlier files of the folder say of steps from
  // `first_step` on. Throws Error(kIo).
  TensorboardWriter(const std::filesystem::path& folder, int64_t first_step, double wall_time);

  // `wall_time`: seconds since 1970. Throws Error(kIo).
  void Add(int64_t step, double wall_time, std::span<const Scalar> scalars);

  const std::filesystem::path& path() const { return path_; }

 private:
  void Append(std::string_view event);

  std::filesystem::path path_;
  Descriptor file_;
};

}  // namespace retro
