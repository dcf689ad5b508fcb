#pragma once

// The innermost part of every matrix product: a tile of C, kTileRows x kTileColumns, is summed in registers.
//
//   AVX-512 14 x 32, AVX2 6 x 16, portable 6 x 8: as many sums as the registers hold. Each step in k loads
//   one row of B's panel (2 vectors) and broadcasts one element of A for each row of the tile.
//
// B comes in panels [k][kTileColumns], A in one of two layouts, neither of which asks for a transposition:
//   by_rows     a[i * kRowStride + k]  the source has k innermost (a matrix, the channels of a pixel)
//   by_columns  a[k * lda + i]         the source has i innermost (a transposed matrix, gradients of weights)
//
// All in words of one factor or two (factors.h), which k counts here.
//
// An element of C is one chain of multiply-adds for each block of k, whatever tile it falls into: results do
// not depend on how C is cut.

#include <cstdint>

#include "backends/cpu/factors.h"

namespace tapeline::cpu::TAPELINE_ISA {

#if defined(__AVX512F__)
inline constexpr int kTileRows = 14;
#else
inline constexpr int kTileRows = 6;
#endif
inline constexpr int kTileColumns = 2 * kWidth;

/// Most words of k in a block: a tile of A fits the first cache, while the panels of B stream from the
/// second.
inline constexpr int kBlockInner = 512;
inline constexpr int kRowStride =
    kBlockInner + 16;  // an odd number of cache lines, so that rows do not collide

enum class Layout { by_rows, by_columns };

/// Lines of B that a tile calls into the second cache while it sums: panels that only memory holds would else
/// keep it waiting for more than half of its time. Row k calls `row + k * step`.
struct Ahead {
  const float* row;
  std::int64_t step;
};
inline constexpr int kRowsAhead = 64;

/// What becomes of the sums of one block of k.
struct Finish {
  const float* bias = nullptr;  // [columns], added; optional
  bool add = false;             // to what C holds
};

template <int kRows, int kVectors, Layout kLayout>
[[gnu::noinline]] void tile(int inner, const float* __restrict a, std::int64_t lda, const float* __restrict b,
                            std::int64_t ldb, Ahead ahead, float* const* rows, std::int64_t column,
                            int row_count, int column_count, Finish finish) {
  Vec sums[kRows][kVectors];
#pragma GCC unroll 4
  for (int k = 0; k < inner; ++k) {
    __builtin_prefetch(ahead.row, 0, 2);
    if constexpr (kVectors * kWidth > 16) __builtin_prefetch(ahead.row + 16, 0, 2);
    ahead.row += ahead.step;
    Vec bs[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) bs[j] = load(b + j * kWidth);
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      const Vec ai = broadcast(kLayout == Layout::by_rows ? a + i * kRowStride : a + i);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sums[i][j] = multiply_add(ai, bs[j], sums[i][j]);
    }
    a += kLayout == Layout::by_rows ? 1 : lda;
    b += ldb;
  }
  Vec bias[kVectors];
  if (finish.bias)
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      const int left = column_count - j * kWidth;
      bias[j] = left >= kWidth ? load(finish.bias + column + j * kWidth)
                               : load(finish.bias + column + j * kWidth, left);
    }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
    if (i >= row_count) break;
    float* to = rows[i] + column;
    if (column_count == kVectors * kWidth) {
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) {
        Vec value = sums[i][j] + bias[j];
        if (finish.add) value += load(to + j * kWidth);
        store(to + j * kWidth, value);
      }
    } else {
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) {
        const int left = column_count - j * kWidth < kWidth ? column_count - j * kWidth : kWidth;
        Vec value = sums[i][j] + bias[j];
        if (finish.add) value += load(to + j * kWidth, left);
        store(to + j * kWidth, value, left);
      }
    }
  }
}

using Tile = void (*)(int, const float*, std::int64_t, const float*, std::int64_t, Ahead, float* const*,
                      std::int64_t, int, int, Finish);

/// The smallest compiled tile that has this many rows, 1 .. kTileRows. Its A must have memory for all its
/// rows.
template <int kVectors, Layout kLayout>
TAPELINE_INLINE Tile tile_for(int rows) {
  if constexpr (kTileRows > 6) {
    if (rows > 12) return tile<kTileRows, kVectors, kLayout>;
    if (rows > 10) return tile<12, kVectors, kLayout>;
    if (rows > 8) return tile<10, kVectors, kLayout>;
    if (rows > 6) return tile<8, kVectors, kLayout>;
  }
  if (rows > 4) return tile<6, kVectors, kLayout>;
  if (rows > 2) return tile<4, kVectors, kLayout>;
  if (rows > 1) return tile<2, kVectors, kLayout>;
  return tile<1, kVectors, kLayout>;
}

/// rows x columns of C += A B over `inner` words, at most kBlockInner. A is one block, B its panels,
/// `panel_stride` floats apart (each row ldb after the one before); `c` gives the address of each row of C.
/// `after` is what the caller will read next in the way of B, if it knows.
template <Layout kLayout>
[[gnu::noinline]] inline void multiply_block(std::int64_t row_count, std::int64_t column_count, int inner,
                                             const float* a, std::int64_t lda, const float* b,
                                             std::int64_t ldb, std::int64_t panel_stride, float* const* c,
                                             std::int64_t column, Finish finish,
                                             const float* after = nullptr) {
  const std::int64_t tiles = (row_count + kTileRows - 1) / kTileRows;
  // All of about the same height, and even as the compiled tiles are.
  const auto first_row = [=](std::int64_t t) {
    return t == tiles ? row_count : (row_count * t / tiles + 1) / 2 * 2;
  };
  const std::int64_t share = (kTileColumns + tiles - 1) / tiles;
  for (std::int64_t j = 0; j < column_count; j += kTileColumns) {
    const int columns = static_cast<int>(column_count - j < kTileColumns ? column_count - j : kTileColumns);
    const float* panel = b + j / kTileColumns * panel_stride;
    const float* next = j + kTileColumns < column_count ? panel + panel_stride : after;
    // One tile calls its own panel, which goes on in memory as it is used; several share in calling the next.
    const bool shared = tiles > 1 && ldb == kTileColumns && next;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t first = first_row(t);
      const int rows = static_cast<int>(first_row(t + 1) - first);
      const Ahead ahead =
          shared ? Ahead{next + t * inner * share, share} : Ahead{panel + kRowsAhead * ldb, ldb};
      const Tile tile = columns > kWidth ? tile_for<2, kLayout>(rows) : tile_for<1, kLayout>(rows);
      tile(inner, a + first * (kLayout == Layout::by_rows ? kRowStride : 1), lda, panel, ldb, ahead,
           c + first, column + j, rows, columns, finish);
    }
  }
}

}  // namespace tapeline::cpu::TAPELINE_ISA
