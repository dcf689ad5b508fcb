#pragma once

// How batch norm walks over the pixels of [N, H, W, C]. They are cut into blocks that the second cache holds,
// the same ones whatever the number of threads. For kernel files only.

#include "backends/cpu/lanes.h"

namespace tapeline::cpu::TAPELINE_ISA {

inline constexpr std::int64_t kRowsAtOnce = 64;

/// The rows of C floats of [N, H, W, C]: `columns` to a line, the first widths[n] of which count. Without
/// widths, each row is a line of its own.
struct Pixels {
  std::int64_t lines, columns, channels, height;
  const std::int32_t* widths;

  Pixels(const Shape& shape, const View& own_widths)
      : lines(shape[0] * shape[1] * (own_widths ? 1 : shape[2])),
        columns(own_widths ? shape[2] : 1),
        channels(shape[3]),
        height(shape[1]),
        widths(data_or_null<std::int32_t>(own_widths)) {}

  std::int64_t block() const { return task_rows(columns * channels); }  // in lines
  std::int64_t blocks() const { return (lines + block() - 1) / block(); }

  /// Calls count(first, rows) for the runs of rows that count among these lines, skip(first, rows) for
  /// others.
  template <typename Count, typename Skip>
  TAPELINE_INLINE void visit(std::int64_t begin, std::int64_t end, Count count, Skip skip) const {
    if (!widths) return count(begin, end - begin);
    for (std::int64_t line = begin; line < end; ++line) {
      const std::int64_t width = length_of(widths, line / height, columns);
      count(line * columns, width);
      skip(line * columns + width, columns - width);
    }
  }
  std::int64_t counted(std::int64_t begin, std::int64_t end) const {
    std::int64_t rows = 0;
    visit(
        begin, end, [&](std::int64_t, std::int64_t count) { rows += count; },
        [](std::int64_t, std::int64_t) {});
    return rows;
  }
};

template <int kVectors>
struct Group {
  static constexpr int kCount = kVectors;
};

/// Calls body(channel, group, lanes) for as many whole vectors at a time as can be, then for the rest.
template <int kVectors = 4, typename Body>
TAPELINE_INLINE void for_channels(std::int64_t begin, std::int64_t channels, Body body) {
  for (; begin + kVectors * kWidth <= channels; begin += kVectors * kWidth)
    body(begin, Group<kVectors>{}, AllLanes{});
  if constexpr (kVectors > 1)
    for_channels<kVectors / 2>(begin, channels, body);
  else if (begin < channels)
    body(begin, Group<1>{}, static_cast<int>(channels - begin));
}

/// Calls body(begin, end) for at most kRowsAtOnce of the rows at a time.
template <typename Body>
TAPELINE_INLINE void for_rows(std::int64_t first, std::int64_t rows, Body body) {
  for (std::int64_t begin = first; begin < first + rows; begin += kRowsAtOnce)
    body(begin, std::min(begin + kRowsAtOnce, first + rows));
}

/// Adds to totals[s][c] the sums of what terms(row, channel, lanes, sums) adds to its kSums sums, over at
/// most kRowsAtOnce rows: these are summed in registers, and then in double.
template <int kSums, typename Terms>
TAPELINE_INLINE void add_rows(std::int64_t begin, std::int64_t end, std::int64_t channels, double* totals,
                              Terms terms) {
  for_channels(
      0, channels, [=](std::int64_t channel, auto group, auto lanes) __attribute__((always_inline)) {
        constexpr int kVectors = decltype(group)::kCount;
        Vec sums[kVectors][kSums];
        for (std::int64_t row = begin; row < end; ++row)
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) terms(row, channel + v * kWidth, lanes, sums[v]);
        for (int v = 0; v < kVectors; ++v)
          for (int s = 0; s < kSums; ++s) {
            float lane[kWidth];
            store(lane, sums[v][s]);
            double* to = totals + s * channels + channel + v * kWidth;
            const std::int64_t count = std::min<std::int64_t>(kWidth, channels - channel - v * kWidth);
            for (std::int64_t i = 0; i < count; ++i) to[i] += static_cast<double>(lane[i]);
          }
      });
}

TAPELINE_INLINE void zero(double* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) values[i] = 0;
}

/// Calls write(begin, end) for at most kRowsAtOnce of the rows that count; the others become zero in
/// `output`.
template <typename Write>
TAPELINE_INLINE void write_pixels(const Pixels& pixels, float* output, Context& context, Write write) {
  const std::int64_t channels = pixels.channels;
  context.pool.parallel_for(pixels.lines, pixels.block(), [&](std::int64_t begin, std::int64_t end) {
    pixels.visit(
        begin, end, [&](std::int64_t first, std::int64_t rows) { for_rows(first, rows, write); },
        [&](std::int64_t first, std::int64_t rows) {
          for_vectors(
              first * channels,
              (first + rows) * channels, [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
                store(output + i, Vec(), lanes);
              });
        });
  });
}

/// Doubles in the working space that all threads share.
TAPELINE_INLINE double* shared_doubles(Context& context, std::int64_t count) {
  return static_cast<double*>(context.scratch.shared(2, static_cast<std::size_t>(count) * sizeof(double)));
}

}  // namespace tapeline::cpu::TAPELINE_ISA
