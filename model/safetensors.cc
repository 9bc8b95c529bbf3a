#include "model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "model/json_file.h"
#include "model/safetensors_header.h"

namespace retro {
namespace {

constexpr size_t kMaxHeaderBytes = 100'000'000;

struct Parts {
  std::string_view header;
  std::span<const std::byte> data;
};

Parts SplitFile(std::span<const std::byte> bytes, const std::string& path) {
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof(header_bytes)) {
    Throw(ErrorCode::kCorruption, "{}: {} bytes are too few for a safetensors file", path, bytes.size());
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  const auto rest = bytes.subspan(sizeof(header_bytes));
  if (header_bytes > kMaxHeaderBytes || header_bytes > rest.size()) {
    Throw(ErrorCode::kCorruption,
          "{}: a header of {} bytes in a file of {}: the file was cut, or is not a safetensors file", path,
          header_bytes, bytes.size());
  }
  return {{reinterpret_cast<const char*>(rest.data()), header_bytes}, rest.subspan(header_bytes)};
}

template <typename Map>
std::vector<std::string> KeysOf(const Map& map) {
  std::vector<std::string> keys;
  keys.reserve(map.size());
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

// A shard's path, which must be a .safetensors file in or below the folder of the index.
std::filesystem::path ShardPath(const std::filesystem::path& index, const std::string& named) {
  const std::filesystem::path relative(named);
  const bool climbs = std::ranges::any_of(relative, [](const auto& part) { return part == ".."; });
  if (relative.is_absolute() || climbs || relative.extension() != ".safetensors" ||
      named.find('\0') != std::string::npos) {
    Throw(ErrorCode::kCorruption, "{}: weight_map names {}, which is not a .safetensors file inside its folder",
          index.string(), nlohmann::json(named).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  }
  return index.parent_path() / relative;
}

// Larger element types first, then by name: every tensor is then aligned to its elements.
std::vector<const TensorView*> WritingOrder(std::span<const TensorView> tensors) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  std::ranges::sort(order, [](const TensorView* a, const TensorView* b) {
    const size_t a_bytes = BlockBytes(a->type);
    const size_t b_bytes = BlockBytes(b->type);
    return a_bytes != b_bytes ? a_bytes > b_bytes : a->name < b->name;
  });
  return order;
}

void CheckWritable(const TensorView& tensor, const std::string& path) {
  if (!SafetensorsType(DataTypeName(tensor.type))) {
    Throw(ErrorCode::kInvalidArgument, "{}: tensor {} has type {}, which safetensors cannot hold; dequantize it first",
          path, tensor.name, DataTypeName(tensor.type));
  }
  const std::optional<uint64_t> bytes = TensorBytes(tensor.type, tensor.shape);
  if (!bytes || *bytes != tensor.bytes.size()) {
    Throw(ErrorCode::kInvalidArgument, "{}: tensor {} of shape {} has {} bytes", path, tensor.name,
          ShapeText(tensor.shape), tensor.bytes.size());
  }
}

std::string HeaderJson(std::span<const TensorView* const> tensors, const std::map<std::string, std::string>& metadata,
                       const std::string& path) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names{"__metadata__"};
  uint64_t offset = 0;
  for (const TensorView* tensor : tensors) {
    CheckWritable(*tensor, path);
    if (!names.insert(tensor->name).second) {
      Throw(ErrorCode::kInvalidArgument, "{}: two tensors are named {}", path, tensor->name);
    }
    const uint64_t end = offset + tensor->bytes.size();
    // push_back keeps this linear: operator[] of an ordered object searches all its keys.
    header.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(
        tensor->name,
        nlohmann::ordered_json{
            {"dtype", DataTypeName(tensor->type)}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}});
    offset = end;
  }
  std::string json = header.dump();
  json.resize((json.size() + 7) / 8 * 8, ' ');
  return json;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const Parts parts = SplitFile(file_.bytes(), path.string());
  SafetensorsHeader header = ParseSafetensorsHeader(parts.header, parts.data.size(), path.string());
  metadata_ = std::move(header.metadata);
  for (auto& entry : header.entries) {
    TensorView view{entry.name, entry.type, std::move(entry.shape),
                    parts.data.subspan(entry.begin, entry.end - entry.begin)};
    tensors_.emplace(std::move(entry.name), std::move(view));
  }
}

const TensorView* SafetensorsFile::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::vector<std::string> SafetensorsFile::Names() const { return KeysOf(tensors_); }

ShardedSafetensors::ShardedSafetensors(const std::filesystem::path& index) : index_(index) {
  const nlohmann::json json = ReadJsonFile(index);
  const auto weight_map = json.find("weight_map");
  if (weight_map == json.end() || !weight_map->is_object() || weight_map->empty()) {
    Throw(ErrorCode::kCorruption, "{}: weight_map is missing or empty", index.string());
  }
  for (const auto& [name, file] : weight_map->items()) {
    if (!file.is_string()) {
      Throw(ErrorCode::kCorruption, "{}: weight_map has no file name for tensor {}", index.string(), name);
    }
    const auto& named = file.get_ref<const std::string&>();
    std::unique_ptr<SafetensorsFile>& shard = shards_[named];
    if (shard == nullptr) shard = std::make_unique<SafetensorsFile>(ShardPath(index, named));
    const TensorView* tensor = shard->Find(name);
    if (tensor == nullptr) {
      Throw(ErrorCode::kCorruption, "{}: tensor {} is not in {}, where {} says it is", shard->Describe(), name, named,
            index.string());
    }
    tensors_.emplace(name, tensor);
  }
}

const TensorView* ShardedSafetensors::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

std::vector<std::string> ShardedSafetensors::Names() const { return KeysOf(tensors_); }

void WriteSafetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::vector<const TensorView*> order = WritingOrder(tensors);
  const std::string header = HeaderJson(order, metadata, path.string());
  const uint64_t header_bytes = header.size();
  AtomicFile file(path);
  file.Append(std::as_bytes(std::span(&header_bytes, 1)));
  file.Append(header);
  for (const TensorView* tensor : order) file.Append(tensor->bytes);
  file.Finish();
}

}  // namespace retro
