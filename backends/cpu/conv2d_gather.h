#pragma once

// A convolution as a matrix product that never builds its matrix: row r of A is what output pixel r sees, all
// taps and channels one after the other, and is copied from the NHWC image when a block of A is packed.
//
// The pixels that a pass computes are a grid; along each axis, tap i of pixel p reads position
//   p * step + first + i * tap_step   (outside the image: zero)
// of the source. Forward, the source is the input. Backward, it is the gradient of the output: at stride 1
// the grid is the whole input; at stride s the input falls into s x s grids, each of which meets only its own
// taps. Taps run in ascending order of position, so neighbours in memory are copied as one run.

#include "backends/cpu/gemm.h"

namespace tapeline::cpu::TAPELINE_ISA {

struct GatherAxis {
  std::int64_t pixels = 0;  // of the grid
  std::int64_t source = 0;  // extent of the source
  std::int64_t step = 1, first = 0, tap_step = 1;
  std::int64_t taps = 0;
  std::int64_t window_first = 0, window_step = 1;  // tap i is this one of the window
};

struct Gather {
  const float* source;  // first channel of the group
  GatherAxis y, x;
  std::int64_t channels;      // of the group
  std::int64_t pixel_stride;  // all channels

  TAPELINE_INLINE std::int64_t inner() const { return y.taps * x.taps * channels; }

  /// Columns [begin, end) of row `pixel`.
  TAPELINE_INLINE void row(float* to, std::int64_t pixel, std::int64_t begin, std::int64_t end) const {
    const std::int64_t px = pixel % x.pixels, rest = pixel / x.pixels, py = rest % y.pixels;
    row(to, rest / y.pixels, py, px, begin, end);
  }

  TAPELINE_INLINE void row(float* to, std::int64_t image, std::int64_t py, std::int64_t px,
                           std::int64_t begin, std::int64_t end) const {
    if (begin >= end) return;
    const std::int64_t line = x.taps * channels;
    const std::int64_t x0 = px * x.step + x.first;
    std::int64_t tap_y = begin == 0 ? 0 : begin / line,
                 at = begin - tap_y * line;  // `at`: position in the line of taps
    for (std::int64_t k = begin; k < end; ++tap_y, at = 0) {
      const std::int64_t stop = smaller(line, at + end - k), count = stop - at;
      const std::int64_t sy = py * y.step + y.first + tap_y * y.tap_step;
      if (sy < 0 || sy >= y.source)
        zero_floats(to, count);
      else if (x.tap_step == 1 && channels == pixel_stride)
        run(to, source + (image * y.source + sy) * x.source * pixel_stride, x0, at, stop);
      else
        taps(to, source + (image * y.source + sy) * x.source * pixel_stride, x0, at, stop);
      to += count;
      k += count;
    }
  }

 private:
  /// All taps of a line lie one after the other in memory.
  TAPELINE_INLINE void run(float* to, const float* from, std::int64_t x0, std::int64_t at,
                           std::int64_t stop) const {
    if (x0 >= 0 && x0 + x.taps <= x.source) return copy_floats(to, from + x0 * channels + at, stop - at);
    const std::int64_t inside_from = larger(-x0, 0) * channels, inside_to = (x.source - x0) * channels;
    const std::int64_t begin = smaller(larger(at, inside_from), stop);
    const std::int64_t end = larger(smaller(stop, inside_to), begin);
    if (begin > at) zero_floats(to, begin - at);
    copy_floats(to + (begin - at), from + x0 * channels + begin, end - begin);
    if (stop > end) zero_floats(to + (end - at), stop - end);
  }

  void taps(float* to, const float* from, std::int64_t x0, std::int64_t at, std::int64_t stop) const {
    while (at < stop) {
      const std::int64_t tap = at / channels, channel = at - tap * channels;
      const std::int64_t count = smaller(channels - channel, stop - at), sx = x0 + tap * x.tap_step;
      if (sx < 0 || sx >= x.source)
        zero_floats(to, count);
      else
        copy_floats(to, from + sx * pixel_stride + channel, count);
      to += count;
      at += count;
    }
  }
};

/// Calls body(i, image, y, x) for `count` pixels in order; a division less for each.
template <typename Body>
TAPELINE_INLINE void each_pixel(const GatherAxis& y, const GatherAxis& x, std::int64_t first,
                                std::int64_t count, Body body) {
  std::int64_t px = first % x.pixels, py = first / x.pixels % y.pixels, image = first / x.pixels / y.pixels;
  for (std::int64_t i = 0; i < count; ++i) {
    body(i, image, py, px);
    if (++px < x.pixels) continue;
    px = 0;
    if (++py < y.pixels) continue;
    py = 0;
    ++image;
  }
}

/// Rows of A are pixels.
struct PackPixels {
  static constexpr Layout kLayout = Layout::by_rows;
  Gather gather;

  void operator()(float* to, std::int64_t lda, std::int64_t row, std::int64_t rows, std::int64_t k,
                  std::int64_t inner) const {
    each_pixel(
        gather.y, gather.x, row, rows,
        [&](std::int64_t i, std::int64_t image, std::int64_t y, std::int64_t x)
            __attribute__((always_inline)) { gather.row(to + i * lda, image, y, x, k, k + inner); });
  }
};

/// Columns of A are pixels.
struct PackPixelColumns {
  static constexpr Layout kLayout = Layout::by_columns;
  Gather gather;

  void operator()(float* to, std::int64_t lda, std::int64_t row, std::int64_t rows, std::int64_t k,
                  std::int64_t inner) const {
    each_pixel(
        gather.y, gather.x, k, inner,
        [&](std::int64_t i, std::int64_t image, std::int64_t y, std::int64_t x)
            __attribute__((always_inline)) { gather.row(to + i * lda, image, y, x, row, row + rows); });
  }
};

/// What output pixels see of the input's channels from `first_channel`.
Gather forward_gather(const Conv2dGeometry& g, const float* input, std::int64_t first_channel);

}  // namespace tapeline::cpu::TAPELINE_ISA
