// The safetensors format, read and written by its published rules: 8 bytes with the length of a JSON header
// (name -> dtype, shape, data_offsets), the header, and the bytes of all tensors without a hole.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "model/tensor.h"

namespace retro {

// A mapped .safetensors file. The file is not trusted: opening it reads and checks the whole header, and only that.
class SafetensorsFile : public TensorSource {
 public:
  // Throws Error(kNotFound, kIo), or Error(kCorruption) naming the file and the entry that breaks a rule.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const TensorView* Find(std::string_view name) const override;
  std::vector<std::string> Names() const override;
  std::string Describe() const override { return file_.path().string(); }

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
};

// The tensors that a model.safetensors.index.json lists, in the shards beside it.
class ShardedSafetensors : public TensorSource {
 public:
  // Throws Error as SafetensorsFile does, and Error(kCorruption) when the index names a file outside of its folder or
  // a tensor that its shard does not have.
  explicit ShardedSafetensors(const std::filesystem::path& index);

  const TensorView* Find(std::string_view name) const override;
  std::vector<std::string> Names() const override;
  std::string Describe() const override { return index_.string(); }

 private:
  std::filesystem::path index_;
  std::map<std::string, std::unique_ptr<SafetensorsFile>> shards_;
  std::map<std::string, const TensorView*, std::less<>> tensors_;
};

// Writes `path` as a whole or not at all, larger element types first so that each tensor is aligned. Throws Error(kIo),
// and Error(kInvalidArgument) on a quantized type, a name that occurs twice, or bytes that do not fit the shape.
void WriteSafetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace retro
