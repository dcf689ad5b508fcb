// Vectors run along the channels. Forward, each output pixel looks at its window; back, each input pixel
// looks at the windows that hold it, so that no two threads write to one place.

#include "backends/cpu/max_pool2d.h"
#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

/// The windows of `size` that hold position `at` (padding counted in), among `count`.
TAPELINE_INLINE Range windows_at(std::int64_t at, std::int64_t size, std::int64_t stride,
                                 std::int64_t count) {
  return {at < size ? 0 : (at - size) / stride + 1, std::min(at / stride + 1, count)};
}

}  // namespace

void run(const MaxPool2dForward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const float* input = k.input.data<float>();
  pool_windows(
      k.input.shape, k.widths, k.output, k.choice, k.window,
      context, [=](std::int64_t i, std::int64_t, auto lanes) __attribute__((always_inline)) {
        return load(input + i, lanes);
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
  if (k.window.disjoint() && out[1] > 0 && out[2] > 0)
    separate(backward, context);
  else
    overlapping(backward, context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
