#include "retriever/int8_embeddings.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/file.h"
#include "core/interrupt.h"
#include "retriever/half_embeddings.h"

#if defined(__x86_64__)
#include "retriever/avx2_sum.h"
#endif

namespace retro {
namespace {

constexpr const char* kRowsFile = "rows";
constexpr uint64_t kRowsAtOnce = 4096;
// Rows are read at random places, so the processor is told of them this many candidates before they are needed.
constexpr size_t kPrefetchRows = 4;
constexpr int64_t kCacheLineBytes = 64;

float ScaleOf(const std::byte* record) {
  float scale = 0;
  std::memcpy(&scale, record, sizeof(scale));
  return scale;
}

const int8_t* ValuesOf(const std::byte* record) { return reinterpret_cast<const int8_t*>(record + sizeof(float)); }

#if defined(__x86_64__)

// Two sums, so that one addition does not wait for the other.
__attribute__((target("avx2,fma"))) float Int8DistanceAvx2(const float* query, const int8_t* row, float scale,
                                                           int64_t dim) {
  const __m256 scales = _mm256_set1_ps(scale);
  __m256 sum0 = _mm256_setzero_ps(), sum1 = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
    const __m256 a = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    const __m256 b = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)));
    const __m256 da = _mm256_fnmadd_ps(scales, a, _mm256_loadu_ps(query + i));
    const __m256 db = _mm256_fnmadd_ps(scales, b, _mm256_loadu_ps(query + i + 8));
    sum0 = _mm256_fmadd_ps(da, da, sum0);
    sum1 = _mm256_fmadd_ps(db, db, sum1);
  }
  return SumOfEight(_mm256_add_ps(sum0, sum1)) + Int8DistancePortable(query + i, row + i, scale, dim - i);
}

#endif

using DistanceFunction = float (*)(const float*, const int8_t*, float, int64_t);

DistanceFunction ChooseDistance() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Int8DistanceAvx2;
#endif
  return Int8DistancePortable;
}

}  // namespace

RecordFormat Int8EmbeddingsFormat(int64_t dim) {
  return {.kind = "embeddings8", .version = 1, .record_bytes = static_cast<uint32_t>(sizeof(float) + dim)};
}

void QuantizeRow(std::span<const float> row, std::span<std::byte> out) {
  float largest = 0;
  for (const float value : row) largest = std::max(largest, std::fabs(value));
  const float scale = largest / 127, inverse = largest > 0 ? 127 / largest : 0;
  std::memcpy(out.data(), &scale, sizeof(scale));
  for (size_t i = 0; i < row.size(); ++i) {
    const auto value = static_cast<int8_t>(std::clamp(std::nearbyint(row[i] * inverse), -127.0f, 127.0f));
    out[sizeof(scale) + i] = static_cast<std::byte>(value);
  }
}

void WriteInt8Embeddings(const HalfEmbeddings& embeddings, const std::filesystem::path& folder) {
  MakeDirectories(folder);
  const RecordFormat format = Int8EmbeddingsFormat(embeddings.dim());
  RecordFileWriter writer(folder / kRowsFile, format);
  std::vector<float> row(static_cast<size_t>(embeddings.dim()));
  std::vector<std::byte> records;
  for (uint64_t first = 0; first < embeddings.size(); first += kRowsAtOnce) {
    ThrowIfInterrupted();
    const uint64_t count = std::min(kRowsAtOnce, embeddings.size() - first);
    records.resize(count * format.record_bytes);
    for (uint64_t i = 0; i < count; ++i) {
      embeddings.Get({first + i}, row);
      QuantizeRow(row, std::span(records).subspan(i * format.record_bytes, format.record_bytes));
    }
    writer.Append(std::span<const std::byte>(records));
  }
  writer.Finish();
}

float Int8Distance(const float* query, const int8_t* row, float scale, int64_t dim) {
  static const DistanceFunction distance = ChooseDistance();
  return distance(query, row, scale, dim);
}

float Int8DistancePortable(const float* query, const int8_t* row, float scale, int64_t dim) {
  float sum = 0;
  for (int64_t i = 0; i < dim; ++i) {
    const float difference = query[i] - scale * static_cast<float>(row[i]);
    sum += difference * difference;
  }
  return sum;
}

Int8Embeddings::Int8Embeddings(const std::filesystem::path& folder, int64_t dim)
    : dim_(dim), file_(folder / kRowsFile, Int8EmbeddingsFormat(dim)) {}

const std::byte* Int8Embeddings::Row(ChunkId chunk) const {
  return file_.payload().data() + chunk.value * static_cast<uint64_t>(dim_ + sizeof(float));
}

void Int8Embeddings::Get(ChunkId chunk, std::span<float> out) const {
  const std::byte* record = Row(chunk);
  for (size_t i = 0; i < out.size(); ++i) out[i] = ScaleOf(record) * static_cast<float>(ValuesOf(record)[i]);
}

void Int8Embeddings::Distances(std::span<const float> query, std::span<const ChunkId> chunks,
                               std::span<float> out) const {
  const auto prefetch = [&](size_t i) {
    if (i >= chunks.size()) return;
    const std::byte* row = Row(chunks[i]);
    for (int64_t offset = 0; offset < dim_; offset += kCacheLineBytes) __builtin_prefetch(row + offset);
  };
  for (size_t i = 0; i < kPrefetchRows; ++i) prefetch(i);
  for (size_t i = 0; i < chunks.size(); ++i) {
    prefetch(i + kPrefetchRows);
    const std::byte* record = Row(chunks[i]);
    out[i] = Int8Distance(query.data(), ValuesOf(record), ScaleOf(record), dim_);
  }
}

}  // namespace retro
