#pragma once

// Max pooling forward of values that are loaded, or computed on the way. For kernel files only.

#include <cstring>

#include "backends/cpu/bytes.h"
#include "backends/cpu/lanes.h"

namespace tapeline::cpu::TAPELINE_ISA {

inline constexpr int kNone = 255;

TAPELINE_INLINE void store_bytes(std::uint8_t* to, Ints values, AllLanes) {
  const Bytes bytes = to_bytes(values);
  std::memcpy(to, &bytes, sizeof bytes);
}
TAPELINE_INLINE void store_bytes(std::uint8_t* to, Ints values, int count) {
  for (int i = 0; i < count; ++i) to[i] = static_cast<std::uint8_t>(values[i]);
}
TAPELINE_INLINE Ints load_bytes(const std::uint8_t* from, AllLanes) {
  Bytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return to_ints(bytes);
}
TAPELINE_INLINE Ints load_bytes(const std::uint8_t* from, int count) {
  Ints values{};
  for (int i = 0; i < count; ++i) values[i] = from[i];
  return values;
}

struct Range {
  std::int64_t begin, end;
};

/// The rows (or columns) of a window at `at` that lie in [0, extent).
TAPELINE_INLINE Range inside(std::int64_t at, std::int64_t size, std::int64_t extent) {
  return {std::max<std::int64_t>(0, -at), std::min(size, extent - at)};
}

/// MaxPool2dForward where value(element, channel, lanes) is the input, of that shape. `choice` may be absent.
template <typename Value>
TAPELINE_INLINE void pool_windows(const Shape& shape, const View& own_widths, const View& pooled,
                                  const View& choice, const Window2d& window, Context& context, Value value) {
  float* output = pooled.data<float>();
  auto* choices = data_or_null<std::uint8_t>(choice);
  const auto* widths = data_or_null<std::int32_t>(own_widths);
  const std::int64_t height = shape[1], width = shape[2], channels = shape[3];
  const std::int64_t out_height = pooled.shape[1], out_width = pooled.shape[2];

  const std::int64_t grain = task_rows(out_width * channels * window.height * window.width);
  context.pool.parallel_for(pooled.shape[0] * out_height, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t n = row / out_height, top = row % out_height * window.stride_h - window.pad_top;
      const std::int64_t own_width = length_of(widths, n, width);
      const Range is = inside(top, window.height, height);
      for (std::int64_t x = 0; x < out_width; ++x) {
        const std::int64_t left = x * window.stride_w - window.pad_left;
        const Range js = inside(left, window.width, own_width);
        const std::int64_t corner = ((n * height + top) * width + left) * channels;
        const std::int64_t to = (row * out_width + x) * channels;
        const auto pool = [=](Range is, Range js) __attribute__((always_inline)) {
          for_vectors(
              0, channels, [=](std::int64_t c, auto lanes) __attribute__((always_inline)) {
                Vec best;
                Ints chosen = Ints{} + kNone;
                if (is.begin < is.end && js.begin < js.end) {
                  best = value(corner + (is.begin * width + js.begin) * channels + c, c, lanes);
                  chosen = Ints{} + static_cast<int>(is.begin * window.width + js.begin);
                  for (std::int64_t i = is.begin; i < is.end; ++i)
                    for (std::int64_t j = i == is.begin ? js.begin + 1 : js.begin; j < js.end; ++j) {
                      const Vec other = value(corner + (i * width + j) * channels + c, c, lanes);
                      const Mask wins = ~(other <= best) & (best == best);
                      best = select(wins, other, best);
                      chosen = wins.v ? Ints{} + static_cast<int>(i * window.width + j) : chosen;
                    }
                }
                store(output + to + c, best, lanes);
                if (choices) store_bytes(choices + to + c, chosen, lanes);
              });
        };
        // The usual windows once more, for loops without counters.
        if (is.begin == 0 && is.end == 2 && js.begin == 0 && js.end == 2)
          pool({0, 2}, {0, 2});
        else if (is.begin == 0 && is.end == 2 && js.begin == 0 && js.end == 1)
          pool({0, 2}, {0, 1});
        else
          pool(is, js);
      }
    }
  });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
