#pragma once

// Convolutions of one to four input channels, the first layer of a network: too few products for each output
// to gain from packed blocks. Each row of outputs is summed where it is, from a padded copy of the rows it
// sees.

#include "backends/cpu/gemm.h"
#include "backends/cpu/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

inline constexpr std::int64_t kMostTaps = 128;  // with channels

[[gnu::always_inline]] inline bool is_narrow(const Conv2dGeometry& g) {
  return g.groups == 1 && g.in_channels <= 4 && g.window.height * g.window.width * g.in_channels <= kMostTaps;
}

/// What a row of outputs sees: [window rows][padded width, C].
struct PaddedRows {
  const Conv2dGeometry& g;
  // As wide as what the last output sees, and what the image fills at most.
  const std::int64_t width = larger((g.out_width - 1) * std::int64_t{g.window.stride_w} +
                                        (g.window.width - 1) * std::int64_t{g.window.dilation_w} + 1,
                                    std::int64_t{g.window.pad_left} + g.in_width);
  const std::int64_t line = width * g.in_channels;
  const std::int64_t taps = std::int64_t{g.window.height} * g.window.width * g.in_channels;

  TAPELINE_INLINE explicit PaddedRows(const Conv2dGeometry& geometry) : g(geometry) {}

  TAPELINE_INLINE std::int64_t floats() const { return g.window.height * line; }
  /// From what one output sees to what the next one does.
  TAPELINE_INLINE std::int64_t step() const { return g.window.stride_w * std::int64_t{g.in_channels}; }

  /// Where an output finds each tap and channel.
  TAPELINE_INLINE void find_offsets(std::int64_t* offsets) const {
    const std::int64_t channels = g.in_channels;
    for (std::int64_t t = 0; t < taps; ++t)
      offsets[t] = t / channels / g.window.width * line +
                   t / channels % g.window.width * g.window.dilation_w * channels + t % channels;
  }

  /// Of all images' rows of outputs, this one.
  TAPELINE_INLINE void fill(const float* input, std::int64_t row, float* to) const {
    const Window2d& w = g.window;
    const std::int64_t inside = g.in_width * std::int64_t{g.in_channels};
    const std::int64_t image = row / g.out_height, y0 = row % g.out_height * w.stride_h - w.pad_top;
    for (std::int64_t i = 0; i < w.height; ++i, to += line) {
      const std::int64_t y = y0 + i * w.dilation_h;
      zero_floats(to, line);
      if (y >= 0 && y < g.in_height)
        copy_floats(to + w.pad_left * std::int64_t{g.in_channels}, input + (image * g.in_height + y) * inside,
                    inside);
    }
  }
};

/// is_narrow(k.geometry), and operands are f32. Factors are never rounded.
void narrow_forward(const Conv2dForward& k, Context& context);
void narrow_backward_weight(const Conv2dBackwardWeight& k, Context& context);

}  // namespace tapeline::cpu::TAPELINE_ISA
