#include "datasets/neighbour_rows.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

RecordFormat IdsFormat(uint32_t k) {
  if (k == 0 || k > kMaxNeighbours) {
    Throw(ErrorCode::kInvalidArgument, "{} neighbours a row: must be 1 to {}", k, kMaxNeighbours);
  }
  return {.kind = "neighbour ids", .version = 1, .record_bytes = static_cast<uint32_t>(k * sizeof(uint64_t))};
}

RecordFormat DistancesFormat(uint32_t k) {
  return {.kind = "distances", .version = 1, .record_bytes = static_cast<uint32_t>(k * sizeof(float))};
}

fs::path WithExtension(fs::path stem, const char* extension) { return stem += extension; }

}  // namespace

fs::path NeighbourIdsPath(const fs::path& stem) { return WithExtension(stem, ".ids"); }
fs::path NeighbourDistancesPath(const fs::path& stem) { return WithExtension(stem, ".distances"); }

NeighbourRowsWriter::NeighbourRowsWriter(const fs::path& stem, uint32_t k)
    : ids_(NeighbourIdsPath(stem), IdsFormat(k)), distances_(NeighbourDistancesPath(stem), DistancesFormat(k)) {}

void NeighbourRowsWriter::Append(std::span<const uint64_t> ids, std::span<const float> distances) {
  ids_.Append(ids);
  distances_.Append(distances);
}

void NeighbourRowsWriter::Finish() {
  ids_.Finish();
  distances_.Finish();
}

NeighbourRows::NeighbourRows(const fs::path& stem, uint32_t k)
    : k_(k), ids_(NeighbourIdsPath(stem), IdsFormat(k)), distances_(NeighbourDistancesPath(stem), DistancesFormat(k)) {
  if (ids_.num_records() != distances_.num_records()) {
    Throw(ErrorCode::kCorruption, "{} has {} rows, {} has {}; build the neighbours again",
          NeighbourIdsPath(stem).string(), ids_.num_records(), NeighbourDistancesPath(stem).string(),
          distances_.num_records());
  }
}

void NeighbourRows::VerifyChecksums() const {
  ids_.VerifyChecksum();
  distances_.VerifyChecksum();
}

}  // namespace retro
