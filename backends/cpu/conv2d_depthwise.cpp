#include "backends/cpu/conv2d_depthwise.h"

#include "backends/cpu/gemm.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

/// Taps [begin, end) whose positions first + tap * dilation lie in [0, extent).
struct TapRange {
  std::int64_t begin, end;
};
TAPELINE_INLINE TapRange taps_inside(std::int64_t first, std::int64_t taps, std::int64_t dilation,
                                     std::int64_t extent) {
  const std::int64_t begin = first >= 0 ? 0 : ceil_div(-first, dilation);
  const std::int64_t end = first >= extent ? 0 : smaller(taps, ceil_div(extent - first, dilation));
  return {begin, larger(begin, end)};
}

}  // namespace

void depthwise_forward(const Conv2dForward& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const Window2d& w = g.window;
  const std::int64_t channels = g.in_channels, in_row = g.in_width * channels;
  const float *input = k.input.data<float>(), *weight = k.weight.data<float>();
  const float* bias = k.bias ? k.bias.data<float>() : nullptr;
  float* output = k.output.data<float>();
  context.pool.parallel_for(std::int64_t{g.batch} * g.out_height, 1, [&](std::int64_t row, std::int64_t) {
    const std::int64_t image = row / g.out_height, y0 = row % g.out_height * w.stride_h - w.pad_top;
    const TapRange ys = taps_inside(y0, w.height, w.dilation_h, g.in_height);
    const float* from = input + image * g.in_height * in_row;
    for (std::int64_t x = 0; x < g.out_width; ++x) {
      const std::int64_t x0 = x * w.stride_w - w.pad_left;
      const TapRange xs = taps_inside(x0, w.width, w.dilation_w, g.in_width);
      float* to = output + (row * g.out_width + x) * channels;
      for (std::int64_t c = 0; c < channels; c += kWidth) {
        const int lanes = static_cast<int>(smaller(kWidth, channels - c));
        Vec sum = bias ? load(bias + c, lanes) : Vec();
        for (std::int64_t i = ys.begin; i < ys.end; ++i)
          for (std::int64_t j = xs.begin; j < xs.end; ++j)
            sum = fma(
                load(from + (y0 + i * w.dilation_h) * in_row + (x0 + j * w.dilation_w) * channels + c, lanes),
                load(weight + (i * w.width + j) * channels + c, lanes), sum);
        store(to + c, sum, lanes);
      }
    }
    float* done = output + row * g.out_width * channels;
    if (k.activation) activate_rows(k.activation, &done, 1, 0, g.out_width * channels);
  });
}

void depthwise_backward_input(const Conv2dBackwardInput& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const Window2d& w = g.window;
  const std::int64_t channels = g.in_channels, out_row = g.out_width * channels;
  const float *grad_output = k.grad_output.data<float>(), *weight = k.weight.data<float>();
  float* grad_input = k.grad_input.data<float>();
  context.pool.parallel_for(std::int64_t{g.batch} * g.in_height, 1, [&](std::int64_t row, std::int64_t) {
    const std::int64_t image = row / g.in_height, y = row % g.in_height + w.pad_top;
    const float* from = grad_output + image * g.out_height * out_row;
    float* to = grad_input + row * g.in_width * channels;
    zero_floats(to, g.in_width * channels);
    for (std::int64_t i = 0; i < w.height; ++i) {
      const std::int64_t at_y = y - i * w.dilation_h;
      if (at_y < 0 || at_y % w.stride_h != 0 || at_y / w.stride_h >= g.out_height) continue;
      const float* from_row = from + at_y / w.stride_h * out_row;
      for (std::int64_t x = 0; x < g.in_width; ++x)
        for (std::int64_t j = 0; j < w.width; ++j) {
          const std::int64_t at_x = x + w.pad_left - j * w.dilation_w;
          if (at_x < 0 || at_x % w.stride_w != 0 || at_x / w.stride_w >= g.out_width) continue;
          const float* pixel = from_row + at_x / w.stride_w * channels;
          const float* tap = weight + (i * w.width + j) * channels;
          for (std::int64_t c = 0; c < channels; c += kWidth) {
            const int lanes = static_cast<int>(smaller(kWidth, channels - c));
            float* sum = to + x * channels + c;
            store(sum, fma(load(pixel + c, lanes), load(tap + c, lanes), load(sum, lanes)), lanes);
          }
        }
    }
  });
}

/// Each part of the batch sums for itself; parts are added in order.
void depthwise_backward_weight(const Conv2dBackwardWeight& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const Window2d& w = g.window;
  const std::int64_t channels = g.in_channels, in_row = g.in_width * channels,
                     out_row = g.out_width * channels;
  const std::int64_t taps = std::int64_t{w.height} * w.width, part_floats = (taps + 1) * channels;
  const std::int64_t rows = std::int64_t{g.batch} * g.out_height, parts = larger(smaller(rows, 32), 1);
  const float *input = k.input.data<float>(), *grad_output = k.grad_output.data<float>();
  float* sums = context.scratch.shared_floats(1, parts * part_floats);  // [part][taps, then bias][channels]
  context.pool.parallel_for(parts, 1, [&](std::int64_t part, std::int64_t) {
    float* to = sums + part * part_floats;
    zero_floats(to, part_floats);
    for (std::int64_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row) {
      const std::int64_t image = row / g.out_height, y0 = row % g.out_height * w.stride_h - w.pad_top;
      const TapRange ys = taps_inside(y0, w.height, w.dilation_h, g.in_height);
      const float* from = input + image * g.in_height * in_row;
      for (std::int64_t c = 0; c < channels; c += kWidth) {
        const int lanes = static_cast<int>(smaller(kWidth, channels - c));
        const float* grad = grad_output + row * out_row + c;
        Vec bias;
        for (std::int64_t x = 0; x < g.out_width; ++x) bias += load(grad + x * channels, lanes);
        float* bias_to = to + taps * channels + c;
        store(bias_to, load(bias_to, lanes) + bias, lanes);
        for (std::int64_t i = ys.begin; i < ys.end; ++i)
          for (std::int64_t j = 0; j < w.width; ++j) {
            const float* line = from + (y0 + i * w.dilation_h) * in_row + c;
            const std::int64_t shift = j * w.dilation_w - w.pad_left;
            const TapRange xs = taps_inside(shift, g.out_width, w.stride_w, g.in_width);
            Vec sum;
            for (std::int64_t x = xs.begin; x < xs.end; ++x)
              sum = fma(load(line + (x * w.stride_w + shift) * channels, lanes),
                        load(grad + x * channels, lanes), sum);
            float* tap = to + (i * w.width + j) * channels + c;
            store(tap, load(tap, lanes) + sum, lanes);
          }
      }
    }
  });
  add_parts(sums, parts, part_floats, taps * channels, k.grad_weight.data<float>(), channels, channels, false,
            context);
  if (k.grad_bias)
    add_parts(sums + taps * channels, parts, part_floats, channels, k.grad_bias.data<float>(), channels,
              channels, false, context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
