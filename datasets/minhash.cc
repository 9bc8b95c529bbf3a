#include "datasets/minhash.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace retro {
namespace {

// Permutations whose factors and minima stay in registers while all elements pass by: four vectors of 512 bits.
constexpr size_t kTile = 64;

// The minima of one tile, in vectors of `vector_bytes`, `num_vectors` at a time. Always inlined, so that it is compiled
// for the instruction set of the function that it is used in.
template <size_t vector_bytes, size_t num_vectors>
[[gnu::always_inline]] inline void SignTile(std::span<const uint32_t> elements, const uint32_t* multipliers,
                                            const uint32_t* addends, uint32_t* minima) {
  typedef uint32_t Vector __attribute__((vector_size(vector_bytes)));
  constexpr size_t kLanes = vector_bytes / sizeof(uint32_t);
  for (size_t begin = 0; begin < kTile; begin += kLanes * num_vectors) {
    Vector a[num_vectors], b[num_vectors], least[num_vectors];
    std::memcpy(a, multipliers + begin, sizeof(a));
    std::memcpy(b, addends + begin, sizeof(b));
    for (Vector& v : least) v = ~Vector{};
    for (const uint32_t element : elements) {
      for (size_t i = 0; i < num_vectors; ++i) {
        const Vector image = a[i] * element + b[i];
        least[i] = image < least[i] ? image : least[i];
      }
    }
    std::memcpy(minima + begin, least, sizeof(least));
  }
}

using SignFunction = void (*)(std::span<const uint32_t> elements, const uint32_t* multipliers, const uint32_t* addends,
                              uint32_t* minima);

void SignPortable(std::span<const uint32_t> elements, const uint32_t* multipliers, const uint32_t* addends,
                  uint32_t* minima) {
  SignTile<16, 4>(elements, multipliers, addends, minima);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void SignAvx2(std::span<const uint32_t> elements, const uint32_t* multipliers,
                                      const uint32_t* addends, uint32_t* minima) {
  SignTile<32, 4>(elements, multipliers, addends, minima);
}

[[gnu::target("avx512f")]] void SignAvx512(std::span<const uint32_t> elements, const uint32_t* multipliers,
                                           const uint32_t* addends, uint32_t* minima) {
  SignTile<64, 4>(elements, multipliers, addends, minima);
}

SignFunction ChooseSign() {
  if (__builtin_cpu_supports("avx512f")) return SignAvx512;
  return __builtin_cpu_supports("avx2") ? SignAvx2 : SignPortable;
}
#else
SignFunction ChooseSign() { return SignPortable; }
#endif

// SplitMix64 (Steele, Lea and Flood, 2014).
uint64_t NextRandom(uint64_t& state) {
  uint64_t value = state += 0x9E3779B97F4A7C15;
  value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
  value = (value ^ value >> 27) * 0x94D049BB133111EB;
  return value ^ value >> 31;
}

}  // namespace

MinHasher::MinHasher(size_t num_permutations, uint64_t seed) : num_permutations_(num_permutations) {
  const size_t padded = (num_permutations + kTile - 1) / kTile * kTile;
  for (size_t i = 0; i < padded; ++i) {
    const uint64_t random = NextRandom(seed);
    multipliers_.push_back(static_cast<uint32_t>(random) | 1);
    addends_.push_back(static_cast<uint32_t>(random >> 32));
  }
}

void MinHasher::Sign(std::span<const uint32_t> elements, std::span<uint32_t> signature) const {
  static const SignFunction sign = ChooseSign();
  std::array<uint32_t, kTile> minima;
  for (size_t begin = 0; begin < num_permutations_; begin += kTile) {
    sign(elements, &multipliers_[begin], &addends_[begin], minima.data());
    const size_t count = std::min(kTile, num_permutations_ - begin);
    std::copy_n(minima.begin(), count, signature.begin() + static_cast<std::ptrdiff_t>(begin));
  }
}

double EstimateSimilarity(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  size_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

}  // namespace retro
