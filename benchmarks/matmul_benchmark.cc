// The matrix products of the models, by shape and format, on all cores. GEMM: GFLOPS. Few rows: GB/s of weights that
// come from memory, since the matrices of one run are more than the caches hold.
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "model/kernels/matmul.h"
#include "model/tensor.h"

namespace retro {
namespace {

constexpr size_t kBeyondCaches = size_t{256} << 20;

ThreadPool& Pool() {
  static ThreadPool pool;
  return pool;
}

std::vector<float> RandomFloats(size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Random weights; scales and minimums of quantized blocks are 2^-6.
PackedMatrix RandomMatrix(DataType type, int64_t num_outputs, int64_t num_inputs) {
  TensorView view{"random", type, {num_outputs, num_inputs}, {}};
  const size_t num_bytes = *TensorBytes(type, view.shape);
  std::mt19937 random(2);
  std::vector<std::byte> bytes(num_bytes);
  if (type == DataType::kF32) {
    const auto values = RandomFloats(num_bytes / sizeof(float));
    std::memcpy(bytes.data(), values.data(), num_bytes);
  } else {
    constexpr uint16_t kScale[] = {0x2400, 0x2400};
    for (std::byte& byte : bytes) byte = std::byte(random() & 255);
    for (size_t at = 0; at < num_bytes; at += BlockBytes(type)) std::memcpy(bytes.data() + at, kScale, sizeof kScale);
  }
  view.bytes = bytes;
  const TensorView* views[] = {&view};
  return PackedMatrix(views, false, WeightPrecision::kAsStored, Pool());
}

// Arguments: rows, outputs, inputs.
void Gemm(benchmark::State& state, DataType type, Epilogue epilogue) {
  const int64_t rows = state.range(0), outputs = state.range(1), inputs = state.range(2);
  const PackedMatrix weights = RandomMatrix(type, outputs, inputs);
  const auto x = RandomFloats(rows * inputs);
  std::vector<float> y(rows * outputs);
  for (auto _ : state) MatMul(x.data(), rows, inputs, weights, y.data(), outputs, epilogue, Pool());
  state.counters["GFLOPS"] = benchmark::Counter(2e-9 * static_cast<double>(rows * outputs * inputs),
                                                benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(KernelName());
}

// One iteration goes through as many matrices as make kBeyondCaches.
void FewRows(benchmark::State& state, DataType type) {
  const int64_t rows = state.range(0), outputs = state.range(1), inputs = state.range(2);
  std::vector<PackedMatrix> matrices;
  size_t bytes = 0;
  while (bytes < kBeyondCaches) {
    matrices.push_back(RandomMatrix(type, outputs, inputs));
    bytes += matrices.back().bytes();
  }
  const auto x = RandomFloats(rows * inputs);
  std::vector<float> y(rows * outputs);
  for (auto _ : state) {
    for (const PackedMatrix& weights : matrices) MatMul(x.data(), rows, inputs, weights, y.data(), outputs, {}, Pool());
  }
  state.counters["GB/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(bytes), benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(KernelName());
}

// What the memory gives when all cores read.
void ReadMemory(benchmark::State& state) {
  const std::vector<uint64_t> words(kBeyondCaches / sizeof(uint64_t), 1);
  const size_t parts = Pool().num_threads() * 16, part = words.size() / parts;
  std::vector<uint64_t> sums(parts);
  for (auto _ : state) {
    Pool().ParallelFor(parts, [&](size_t i) {
      uint64_t sum = 0;
      for (const uint64_t word : std::span(words).subspan(i * part, part)) sum += word;
      sums[i] = sum;
    });
    benchmark::DoNotOptimize(sums.data());
  }
  state.counters["GB/s"] = benchmark::Counter(1e-9 * static_cast<double>(part * parts * sizeof(uint64_t)),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

BENCHMARK(ReadMemory)->UseRealTime();

// MiniLM's layers over 1024 tokens, a prompt of SmolLM2, and few rows.
BENCHMARK_CAPTURE(Gemm, f32, DataType::kF32, {})
    ->Args({1024, 1152, 384})
    ->Args({1024, 384, 384})
    ->Args({1024, 384, 1536})
    ->Args({512, 3072, 576})
    ->Args({512, 576, 1536})
    ->Args({64, 1536, 384})
    ->Args({16, 1536, 384})
    ->UseRealTime();
BENCHMARK_CAPTURE(Gemm, f32_gelu, DataType::kF32, {.activation = Activation::kGelu})
    ->Args({1024, 1536, 384})
    ->UseRealTime();
BENCHMARK_CAPTURE(Gemm, q4_1, DataType::kQ4_1, {})->Args({512, 3072, 576})->Args({64, 3072, 576})->UseRealTime();
BENCHMARK_CAPTURE(Gemm, q8_0, DataType::kQ8_0, {})->Args({512, 3072, 576})->UseRealTime();

// GPT-2's and SmolLM2's widest layers.
BENCHMARK_CAPTURE(FewRows, f32, DataType::kF32)
    ->ArgsProduct({{1, 2, 4, 8, 16}, {3072}, {768}})
    ->Args({1, 768, 3072})
    ->Args({8, 768, 3072})
    ->UseRealTime();
BENCHMARK_CAPTURE(FewRows, q8_0, DataType::kQ8_0)->ArgsProduct({{1, 4, 8, 12, 16}, {49152}, {576}})->UseRealTime();
BENCHMARK_CAPTURE(FewRows, q4_1, DataType::kQ4_1)
    ->ArgsProduct({{1, 4, 8, 12, 16}, {3072}, {576}})
    ->Args({1, 576, 1536})
    ->UseRealTime();

}  // namespace
}  // namespace retro

BENCHMARK_MAIN();
