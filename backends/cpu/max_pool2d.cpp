// Vectors run along the channels. Forward, each output pixel looks at its window; back, each input pixel
// looks at the windows that hold it, so that no two threads write to one place.

#include <cstring>

#include "backends/cpu/bytes.h"
#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr int kNone = 255;

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

/// The windows of `size` that hold position `at` (padding counted in), among `count`.
TAPELINE_INLINE Range windows_at(std::int64_t at, std::int64_t size, std::int64_t stride,
                                 std::int64_t count) {
  return {at < size ? 0 : (at - size) / stride + 1, std::min(at / stride + 1, count)};
}

}  // namespace

void run(const MaxPool2dForward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const float* input = k.input.data<float>();
  float* output = k.output.data<float>();
  auto* choices = data_or_null<std::uint8_t>(k.choice);
  const auto* widths = data_or_null<std::int32_t>(k.widths);
  const Window2d window = k.window;
  const std::int64_t height = k.input.shape[1], width = k.input.shape[2], channels = k.input.shape[3];
  const std::int64_t out_height = k.output.shape[1], out_width = k.output.shape[2];

  const std::int64_t grain = task_rows(out_width * channels * window.height * window.width);
  context.pool.parallel_for(k.output.shape[0] * out_height, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t n = row / out_height, top = row % out_height * window.stride_h - window.pad_top;
      const std::int64_t own_width = length_of(widths, n, width);
      const Range is = inside(top, window.height, height);
      for (std::int64_t x = 0; x < out_width; ++x) {
        const std::int64_t left = x * window.stride_w - window.pad_left;
        const Range js = inside(left, window.width, own_width);
        const float* corner = input + ((n * height + top) * width + left) * channels;
        const std::int64_t to = (row * out_width + x) * channels;
        const bool empty = is.begin >= is.end || js.begin >= js.end;
        for_vectors(
            0, channels, [=](std::int64_t c, auto lanes) __attribute__((always_inline)) {
              Vec best;
              Ints choice = Ints{} + kNone;
              if (!empty) {
                best = load(corner + (is.begin * width + js.begin) * channels + c, lanes);
                choice = Ints{} + static_cast<int>(is.begin * window.width + js.begin);
                for (std::int64_t i = is.begin; i < is.end; ++i)
                  for (std::int64_t j = js.begin; j < js.end; ++j) {
                    const Vec value = load(corner + (i * width + j) * channels + c, lanes);
                    const Mask wins = ~(value <= best) & (best == best);
                    best = select(wins, value, best);
                    choice = wins.v ? Ints{} + static_cast<int>(i * window.width + j) : choice;
                  }
              }
              store(output + to + c, best, lanes);
              if (choices) store_bytes(choices + to + c, choice, lanes);
            });
      }
    }
  });
}

namespace {

struct Backward {
  const float* grad_output;
  const std::uint8_t* choices;
  float* grad_input;
  std::int64_t images, height, width, channels, out_height, out_width;
  Window2d window;
};

void overlapping(const Backward& k, Context& context) {
  const Window2d& window = k.window;
  context.pool.parallel_for(
      k.images * k.height, task_rows(k.width * k.channels), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t line = begin; line < end; ++line) {
          const std::int64_t n = line / k.height, y = line % k.height + window.pad_top;
          const Range rows = windows_at(y, window.height, window.stride_h, k.out_height);
          for (std::int64_t column = 0; column < k.width; ++column) {
            const std::int64_t x = column + window.pad_left;
            const Range columns = windows_at(x, window.width, window.stride_w, k.out_width);
            float* to = k.grad_input + (line * k.width + column) * k.channels;
            for_vectors(
                0, k.channels, [ =, &k ](std::int64_t c, auto lanes) __attribute__((always_inline)) {
                  Vec sum;
                  for (std::int64_t row = rows.begin; row < rows.end; ++row)
                    for (std::int64_t col = columns.begin; col < columns.end; ++col) {
                      const std::int64_t from =
                          ((n * k.out_height + row) * k.out_width + col) * k.channels + c;
                      const auto place = static_cast<int>((y - row * k.window.stride_h) * k.window.width + x -
                                                          col * k.window.stride_w);
                      const Mask won{load_bytes(k.choices + from, lanes) == place};
                      sum += select(won, load(k.grad_output + from, lanes), 0.0f);
                    }
                  store(to + c, sum, lanes);
                });
          }
        }
      });
}

/// The pixels that a window answers for: all that come before the next one's, in [0, extent).
TAPELINE_INLINE Range own_pixels(std::int64_t index, std::int64_t count, std::int64_t stride,
                                 std::int64_t padding, std::int64_t extent) {
  const auto clamp = [=](std::int64_t at) { return std::clamp<std::int64_t>(at, 0, extent); };
  return {index == 0 ? 0 : clamp(index * stride - padding),
          index == count - 1 ? extent : clamp((index + 1) * stride - padding)};
}

void separate(const Backward& k, Context& context) {
  const Window2d& window = k.window;
  const std::int64_t grain = task_rows(window.stride_h * k.width * k.channels);
  context.pool.parallel_for(k.images * k.out_height, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line) {
      const std::int64_t n = line / k.out_height, row = line % k.out_height;
      const std::int64_t top = row * window.stride_h - window.pad_top;
      const Range ys = own_pixels(row, k.out_height, window.stride_h, window.pad_top, k.height);
      for (std::int64_t col = 0; col < k.out_width; ++col) {
        const std::int64_t left = col * window.stride_w - window.pad_left;
        const Range xs = own_pixels(col, k.out_width, window.stride_w, window.pad_left, k.width);
        const std::int64_t from = (line * k.out_width + col) * k.channels;
        float* image = k.grad_input + n * k.height * k.width * k.channels;
        for_vectors(
            0, k.channels, [ =, &k ](std::int64_t c, auto lanes) __attribute__((always_inline)) {
              const Ints choice = load_bytes(k.choices + from + c, lanes);
              const Vec grad = load(k.grad_output + from + c, lanes);
              for (std::int64_t y = ys.begin; y < ys.end; ++y)
                for (std::int64_t x = xs.begin; x < xs.end; ++x) {
                  const bool within =
                      y >= top && y - top < k.window.height && x >= left && x - left < k.window.width;
                  const auto place = static_cast<int>((y - top) * k.window.width + x - left);
                  const Mask won{choice == (within ? place : -1)};
                  store(image + (y * k.width + x) * k.channels + c, select(won, grad, 0.0f), lanes);
                }
            });
      }
    }
  });
}

}  // namespace

void run(const MaxPool2dBackward& k, Context& context) {
  if (k.grad_input.dtype != DType::f32) return reference::run(k);
  const Shape &in = k.grad_input.shape, &out = k.grad_output.shape;
  const Backward backward{k.grad_output.data<float>(),
                          k.choice.data<std::uint8_t>(),
                          k.grad_input.data<float>(),
                          in[0],
                          in[1],
                          in[2],
                          in[3],
                          out[1],
                          out[2],
                          k.window};
  const bool apart = k.window.stride_h >= k.window.height && k.window.stride_w >= k.window.width;
  if (apart && out[1] > 0 && out[2] > 0)
    separate(backward, context);
  else
    overlapping(backward, context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
