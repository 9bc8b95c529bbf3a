// A matrix product cut into tiles of rows and panels, for the threads of a pool.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "core/thread_pool.h"

namespace retro::kernels {

// Rows of a tile: their part of x stays in the second-level cache.
constexpr int64_t kRowBlock = 120;
constexpr int64_t kMaxPanels = 8;

inline int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Tile {
  int64_t first_row, num_rows, first_panel, num_panels;
};

// Panels of a tile: enough work for a thread to be worth waking, few enough for all threads to end together.
inline int64_t PanelsPerTile(int64_t num_panels, int64_t num_row_blocks, size_t num_threads) {
  const int64_t tiles_wanted = 4 * static_cast<int64_t>(num_threads);
  return std::clamp<int64_t>(num_panels * num_row_blocks / tiles_wanted, 1, kMaxPanels);
}

// Calls run_tile(tile) for tiles that cover all rows and panels, on the threads of `pool`.
template <typename Run>
void ForTiles(int64_t num_rows, int64_t num_panels, ThreadPool& pool, const Run& run_tile) {
  const int64_t row_blocks = CeilDivide(num_rows, kRowBlock);
  const int64_t panels = PanelsPerTile(num_panels, row_blocks, pool.num_threads());
  const int64_t panel_blocks = CeilDivide(num_panels, panels);
  const auto run = [&](size_t index) {
    const int64_t block = static_cast<int64_t>(index) / row_blocks, rows = static_cast<int64_t>(index) % row_blocks;
    const int64_t first_row = rows * num_rows / row_blocks;
    const int64_t first_panel = block * panels;
    run_tile(Tile{first_row, (rows + 1) * num_rows / row_blocks - first_row, first_panel,
                  std::min(panels, num_panels - first_panel)});
  };
  pool.ParallelFor(row_blocks * panel_blocks, std::ref(run));
}

}  // namespace retro::kernels
