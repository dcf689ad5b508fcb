#pragma once

// Packed matrix products, C = activation(A B + bias). Where A and B come from is up to two packing functions,
// so that a convolution goes straight from its image into the packed block.
//
//   multiply()        for everything with many elements in C. B is packed once; each task packs its own rows
//                     of A, at most kBlockRows x kBlockInner at a time, and finishes its part of C alone.
//   multiply_split()  for sums over very many k into a small C (gradients of weights). k is cut into a number
//                     of parts that follows from the shape; each part has a C of its own, and these are added
//                     in order.
//
// Both use slots 0 and 1 of the scratch memory.
//
//   pack_a(to, lda, first_row, rows, first_k, inner)      fills one block of A, in the layout it names
//   pack_b(to, first_k, inner, first_column, columns)     fills [inner][kTileColumns], zero past `columns`
//   rows_of_c(first_row, rows, pointers)                  where the rows of C are
//
// Packing functions write floats. Where words hold two factors, they fill a small buffer, a few rows at a
// time, from which the words are rounded (pack_words). k is cut at whole words.

#include "backends/cpu/activate.h"
#include "backends/cpu/gemm_tile.h"
#include "backends/cpu/kept_copy.h"
#include "backends/cpu/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

inline constexpr std::int64_t kBlockRows = 8 * kTileRows;
inline constexpr std::int64_t kTaskWork = 1 << 19;      // multiply-adds that are worth a task of their own
inline constexpr std::int64_t kPackedFloats = 1 << 22;  // of B at a time
inline constexpr int kSplitInner = 128;                 // most words of k in a block of multiply_split
inline constexpr std::int64_t kSplitRows = 28 * kTileRows;  // most rows in a task of multiply_split

TAPELINE_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
TAPELINE_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
TAPELINE_INLINE std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
TAPELINE_INLINE std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }
/// A stride for rows of this many floats: an odd number of cache lines, so that they do not collide.
TAPELINE_INLINE std::int64_t odd_lines(std::int64_t floats) { return round_up(floats, 32) + 16; }

TAPELINE_INLINE void copy_floats(float* to, const float* from, std::int64_t count) {
  for (; count >= kWidth; count -= kWidth, to += kWidth, from += kWidth) store(to, load(from));
  if (count > 0) store(to, load(from, static_cast<int>(count)), static_cast<int>(count));
}
/// The same, as words of a row of A.
TAPELINE_INLINE void copy_words(float* to, const float* from, std::int64_t count) {
#if defined(TAPELINE_BF16)
  pair_row(to, from, count);
#else
  copy_floats(to, from, count);
#endif
}
/// `lanes` of `a` as factors first, first + 1, ... of a row of A; the other lanes are zero, and there is
/// memory for them.
template <typename Lanes>
TAPELINE_INLINE void store_words(float* row, std::int64_t first, Vec a, Lanes lanes) {
#if defined(TAPELINE_BF16)
  static_cast<void>(lanes);
  store_factors(row, first, a);
#else
  store(row + first, a, lanes);
#endif
}
TAPELINE_INLINE void zero_floats(float* to, std::int64_t count) {
  for (; count >= kWidth; count -= kWidth, to += kWidth) store(to, Vec());
  if (count > 0) store(to, Vec(), static_cast<int>(count));
}

/// A row-major matrix [rows, inner] as A.
struct PackRows {
  static constexpr Layout kLayout = Layout::by_rows;
  const float* a;
  std::int64_t stride;

  void operator()(float* to, std::int64_t lda, std::int64_t row, std::int64_t rows, std::int64_t k,
                  std::int64_t inner) const {
    for (std::int64_t i = 0; i < rows; ++i) copy_floats(to + i * lda, a + (row + i) * stride + k, inner);
  }
};

/// A row-major matrix [inner, rows] as A.
struct PackColumns {
  static constexpr Layout kLayout = Layout::by_columns;
  const float* a;
  std::int64_t stride;

  void operator()(float* to, std::int64_t lda, std::int64_t row, std::int64_t rows, std::int64_t k,
                  std::int64_t inner) const {
    for (std::int64_t i = 0; i < inner; ++i) copy_floats(to + i * lda, a + (k + i) * stride + row, rows);
  }
};

/// A row-major matrix [inner, columns] as B.
struct PackB {
  const float* b;
  std::int64_t stride;

  /// Where the matrix itself can be read in place of a full panel.
  const float* in_place() const { return b; }
  void operator()(float* to, std::int64_t k, std::int64_t inner, std::int64_t column,
                  std::int64_t columns) const;
};

/// A row-major matrix [columns, inner] as B.
struct PackTransposedB {
  const float* b;
  std::int64_t stride;

  const float* in_place() const { return nullptr; }
  void operator()(float* to, std::int64_t k, std::int64_t inner, std::int64_t column,
                  std::int64_t columns) const;
};

/// Row-major C.
struct PlainRows {
  float* c;
  std::int64_t stride;

  void operator()(std::int64_t row, std::int64_t rows, float** pointers) const {
    for (std::int64_t i = 0; i < rows; ++i) pointers[i] = c + (row + i) * stride;
  }
};

/// Applies the activation to part of some rows.
void activate_rows(const Activation& activation, float* const* rows, std::int64_t row_count,
                   std::int64_t column, std::int64_t columns);

/// What pack_a(to, lda, row, rows, k, inner) packs, rows <= kSplitRows and words_of(inner) <= kBlockInner, as
/// words. k is that of a word's first factor.
template <typename A>
TAPELINE_INLINE void pack_words(const A& pack_a, float* to, std::int64_t lda, std::int64_t row,
                                std::int64_t rows, std::int64_t k, std::int64_t inner) {
#if defined(TAPELINE_BF16)
  constexpr bool kByRows = A::kLayout == Layout::by_rows;
  constexpr std::int64_t kSome = kByRows ? 4 : 8;  // of rows or of k at a time: they fit the first cache
  constexpr std::int64_t kStride = (kByRows ? kPair * kBlockInner : kSplitRows) + kWidth;
  alignas(64) float buffer[kSome * kStride];
  for (std::int64_t i = 0; i < (kByRows ? rows : inner); i += kSome) {
    if (kByRows) {
      const std::int64_t some = smaller(kSome, rows - i);
      pack_a(buffer, kStride, row + i, some, k, inner);
      for (std::int64_t j = 0; j < some; ++j) copy_words(to + (i + j) * lda, buffer + j * kStride, inner);
    } else {
      const std::int64_t some = smaller(kSome, inner - i);
      pack_a(buffer, kStride, row, rows, k + i, some);
      pair_rows(to + i / kPair * lda, lda, buffer, kStride, some, rows);
    }
  }
#else
  pack_a(to, lda, row, rows, k, inner);
#endif
}

/// The sums of a panel's columns.
struct PanelSums {
  Vec low, high;
};

/// What pack_b(to, k, inner, column, columns) packs, as words. Adds its columns to `sums`, where given.
template <typename B>
TAPELINE_INLINE void pack_words(const B& pack_b, float* to, std::int64_t k, std::int64_t inner,
                                std::int64_t column, std::int64_t columns, PanelSums* sums = nullptr) {
#if defined(TAPELINE_BF16)
  constexpr std::int64_t kSome = 32;
  alignas(64) float panel[kSome * kTileColumns];
#else
  const std::int64_t kSome = larger(inner, 1);
  float* panel = to;
#endif
  for (std::int64_t i = 0; i < inner; i += kSome) {
    const std::int64_t some = smaller(kSome, inner - i);
    pack_b(panel, k + i, some, column, columns);
    if (sums)
      for (std::int64_t j = 0; j < some; ++j) {
        sums->low += load(panel + j * kTileColumns);
        sums->high += load(panel + j * kTileColumns + kWidth);
      }
#if defined(TAPELINE_BF16)
    pair_rows(to + i / kPair * kTileColumns, kTileColumns, panel, kTileColumns, some, kTileColumns);
#endif
  }
}

/// Which copy of B is kept with the view that it is packed from.
struct Keep {
  const View* view = nullptr;
  std::int64_t form = 0;
};
/// Forms of copies; those of different instruction sets differ.
enum class Form { rows, transposed, window, winograd, turned_winograd, lstm, lstm_transposed };
TAPELINE_INLINE std::int64_t form_number(Form form, std::int64_t number) {
  return (static_cast<std::int64_t>(form) << 32) + (number << 8) + 64 * (kPair - 1) + kTileColumns;
}

/// C = activation(A B + bias + (finish.add ? C : 0)).
template <typename A, typename B, typename C>
void multiply(std::int64_t rows, std::int64_t columns, std::int64_t inner, const A& pack_a, const B& pack_b,
              const C& rows_of_c, const Finish& finish, const Activation& activation, Context& context,
              const Keep& keep = {}) {
  if (rows == 0 || columns == 0) return;
  const std::int64_t words = words_of(inner);
  const std::int64_t inner_blocks = larger(ceil_div(words, kBlockInner), 1);
  const std::int64_t chunk =
      larger(kPackedFloats / larger(words, 1) / kTileColumns * kTileColumns, kTileColumns);
  KeptCopy kept;
  if (keep.view && columns <= chunk)
    kept = kept_copy(*keep.view, keep.form, inner, columns,
                     (ceil_div(columns, kTileColumns) * words + 1) * kTileColumns);
  const bool in_place = kPair == 1 && !kept.data && pack_b.in_place() && rows <= 2 * kTileRows;

  for (std::int64_t left = 0; left < columns; left += in_place ? columns : chunk) {
    const std::int64_t width = in_place ? columns : smaller(chunk, columns - left);
    const std::int64_t panels = ceil_div(width, kTileColumns), full_panels = width / kTileColumns;
    // Only the last panel is packed where the others are read in place.
    const std::int64_t first_packed = in_place ? full_panels : 0, packed_panels = panels - first_packed;
    float* packed =
        kept.data ? kept.data
                  : context.scratch.shared_floats(0, packed_panels * words * kTileColumns + kTileColumns);
    context.pool.parallel_for(
        kept.filled ? 0 : packed_panels * inner_blocks, 4, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t panel = i / inner_blocks, block = i % inner_blocks;
            const std::int64_t k = words * block / inner_blocks, next = words * (block + 1) / inner_blocks;
            const std::int64_t column = (first_packed + panel) * kTileColumns;
            pack_words(pack_b, packed + (packed_panels * k + panel * (next - k)) * kTileColumns, kPair * k,
                       smaller(kPair * next, inner) - kPair * k, left + column,
                       smaller(kTileColumns, width - column));
          }
        });

    // First as many tasks as there are full blocks of rows, then more by cutting the columns, then the rows.
    const std::int64_t wanted =
        smaller(ceil_div(rows * width * larger(inner, 1), kTaskWork), 4 * context.pool.threads());
    const std::int64_t full_blocks = ceil_div(rows, kBlockRows);
    const std::int64_t column_parts = smaller(panels, ceil_div(wanted, full_blocks));
    const std::int64_t tiles = ceil_div(rows, kTileRows);
    const std::int64_t row_parts = smaller(tiles, larger(full_blocks, ceil_div(wanted, column_parts)));

    context.pool.parallel_for(row_parts * column_parts, 1, [&](std::int64_t task, std::int64_t) {
      const std::int64_t row = tiles * (task / column_parts) / row_parts * kTileRows;
      const std::int64_t next_row = tiles * (task / column_parts + 1) / row_parts * kTileRows;
      const std::int64_t count = smaller(next_row, rows) - row;
      const std::int64_t part = task % column_parts;
      const std::int64_t from = panels * part / column_parts, to = panels * (part + 1) / column_parts;
      const std::int64_t column = from * kTileColumns, end = smaller(to * kTileColumns, width);
      constexpr bool kByRows = A::kLayout == Layout::by_rows;
      const std::int64_t lda = kByRows ? kRowStride : odd_lines(kBlockRows);
      float* a =
          context.scratch.local_floats(0, (kByRows ? kBlockRows + kTileRows : kBlockInner) * lda + kTileRows);
      float* c[kBlockRows];
      rows_of_c(row, count, c);
      for (std::int64_t block = 0; block < inner_blocks; ++block) {
        const std::int64_t k = words * block / inner_blocks, next = words * (block + 1) / inner_blocks;
        const int depth = static_cast<int>(next - k);
        const Finish now{block == 0 ? finish.bias : nullptr, finish.add || block > 0};
        pack_words(pack_a, a, lda, row, count, kPair * k, smaller(kPair * next, inner) - kPair * k);
        if (!in_place) {
          const std::int64_t then = words * smaller(block + 2, inner_blocks) / inner_blocks - next;
          const float* after = then > 0 ? packed + (panels * next + from * then) * kTileColumns : nullptr;
          multiply_block<A::kLayout>(count, end - column, depth, a, lda,
                                     packed + (panels * k + from * depth) * kTileColumns, kTileColumns,
                                     depth * kTileColumns, c, left + column, now, after);
          continue;
        }
        const std::int64_t plain = smaller(end, full_panels * kTileColumns);
        multiply_block<A::kLayout>(count, plain - column, depth, a, lda,
                                   pack_b.in_place() + k * pack_b.stride + column, pack_b.stride,
                                   kTileColumns, c, column, now);
        if (end > plain)
          multiply_block<A::kLayout>(count, end - plain, depth, a, lda, packed + k * kTileColumns,
                                     kTileColumns, depth * kTileColumns, c, plain, now);
      }
      if (activation) activate_rows(activation, c, count, left + column, end - column);
    });
  }
}

/// Adds `parts` arrays of `count` floats, `stride` apart, in order: to[i] = (add ? to[i] : 0) + sum.
/// `to` is a matrix of rows of `columns` floats, `to_stride` apart.
void add_parts(const float* from, std::int64_t parts, std::int64_t stride, std::int64_t count, float* to,
               std::int64_t columns, std::int64_t to_stride, bool add, Context& context);

/// In how many parts multiply_split cuts k.
TAPELINE_INLINE std::int64_t split_parts(std::int64_t rows, std::int64_t columns, std::int64_t inner) {
  const std::int64_t fitting = larger((3 << 19) / larger(rows * columns, 1), 1);
  return larger(smaller(smaller(inner / 1024, 64), fitting), 1);
}

/// C = A B + (add ? C : 0), row-major with this stride, and, where column_sums is given, the sums of B's
/// columns. A is by columns.
template <typename A, typename B>
void multiply_split(std::int64_t rows, std::int64_t columns, std::int64_t inner, const A& pack_a,
                    const B& pack_b, float* c, std::int64_t stride, bool add, float* column_sums,
                    Context& context) {
  static_assert(A::kLayout == Layout::by_columns);
  if (columns == 0) return;
  const std::int64_t parts = split_parts(rows, columns, inner);
  const std::int64_t row_parts = larger(ceil_div(rows, kSplitRows), 1);
  const std::int64_t height = round_up(ceil_div(rows, row_parts), kTileRows);
  const std::int64_t panels = ceil_div(columns, kTileColumns);
  const std::int64_t words = words_of(inner), part_floats = (rows + 1) * columns;
  float* sums = context.scratch.shared_floats(1, parts * part_floats);  // [part][C, then the sums of B]

  context.pool.parallel_for(parts * row_parts, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t part = task / row_parts, row = task % row_parts * height;
    const std::int64_t count = larger(smaller(height, rows - row), 0);
    const std::int64_t begin = words * part / parts, end = words * (part + 1) / parts;
    const std::int64_t lda = odd_lines(count);
    float* a = context.scratch.local_floats(0, kSplitInner * lda + kTileRows);
    float* b = context.scratch.local_floats(1, panels * kSplitInner * kTileColumns);
    float* part_c = sums + part * part_floats;
    float* part_sums = part_c + rows * columns;
    float* pointers[kSplitRows];
    PlainRows{part_c, columns}(row, count, pointers);
    if (row == 0) zero_floats(part_sums, columns);
    const std::int64_t blocks = larger(ceil_div(end - begin, kSplitInner), 1);
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t k = begin + (end - begin) * block / blocks;
      const std::int64_t depth = begin + (end - begin) * (block + 1) / blocks - k;
      const std::int64_t factors = smaller(kPair * (k + depth), inner) - kPair * k;
      pack_words(pack_a, a, lda, row, count, kPair * k, factors);
      for (std::int64_t panel = 0; panel < panels; ++panel) {
        const std::int64_t column = panel * kTileColumns;
        const int width = static_cast<int>(smaller(kTileColumns, columns - column));
        float* to = b + panel * kSplitInner * kTileColumns;
        PanelSums sums_of_b;
        const bool summed = column_sums && row == 0;
        pack_words(pack_b, to, kPair * k, factors, column, width, summed ? &sums_of_b : nullptr);
        if (!summed) continue;
        float* sum = part_sums + column;
        const int in_low = width < kWidth ? width : kWidth;
        store(sum, load(sum, in_low) + sums_of_b.low, in_low);
        if (width > kWidth)
          store(sum + kWidth, load(sum + kWidth, width - kWidth) + sums_of_b.high, width - kWidth);
      }
      multiply_block<A::kLayout>(count, columns, static_cast<int>(depth), a, lda, b, kTileColumns,
                                 kSplitInner * kTileColumns, pointers, 0, {nullptr, block > 0});
    }
  });
  add_parts(sums, parts, part_floats, rows * columns, c, columns, stride, add, context);
  if (column_sums)
    add_parts(sums + rows * columns, parts, part_floats, columns, column_sums, columns, columns, false,
              context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
