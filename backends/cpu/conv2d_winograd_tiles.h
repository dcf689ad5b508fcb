#pragma once

// The tiles of Winograd's method: where they lie and what they see.

#include "backends/cpu/conv2d_algorithm.h"
#include "backends/cpu/conv2d_winograd_transforms.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/lanes.h"

namespace tapeline::cpu::TAPELINE_ISA {

/// The first output of a tile.
struct Place {
  std::int64_t image, y, x;
};

/// Tiles of one image after the other, each image's from its own first pixel.
struct TileGrid {
  WinogradTile tile;
  std::int64_t batch, in_height, in_width, out_height, out_width, pad_top, pad_left;

  TAPELINE_INLINE std::int64_t across() const { return ceil_div(out_width, tile.width); }
  TAPELINE_INLINE std::int64_t down() const { return ceil_div(out_height, tile.height); }
  TAPELINE_INLINE std::int64_t tiles() const { return batch * down() * across(); }

  TAPELINE_INLINE Place place(std::int64_t index) const {
    const std::int64_t row = index / across();
    return {row / down(), row % down() * tile.height, index % across() * tile.width};
  }

  /// Where the inputs of a tile are in an NHWC image, or, outside the image, `zeros`.
  template <int kRows, int kColumns>
  TAPELINE_INLINE void see(std::int64_t index, const float* input, std::int64_t channels, const float* zeros,
                           const float* (&from)[kRows][kColumns]) const {
    const Place at = place(index);
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < kColumns; ++j) {
        const std::int64_t y = at.y - pad_top + i, x = at.x - pad_left + j;
        const bool inside = y >= 0 && y < in_height && x >= 0 && x < in_width;
        from[i][j] = inside ? input + ((at.image * in_height + y) * in_width + x) * channels : zeros;
      }
  }
};

TAPELINE_INLINE TileGrid forward_grid(const Conv2dGeometry& g, const WinogradTile& tile) {
  return {tile,         g.batch,     g.in_height,      g.in_width,
          g.out_height, g.out_width, g.window.pad_top, g.window.pad_left};
}

}  // namespace tapeline::cpu::TAPELINE_ISA
