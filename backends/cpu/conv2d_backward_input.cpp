// Gradient of the input: C[pixel of the input, c] = A[pixel, (tap, o)] W'[(tap, o), c]. A gathers the
// gradients of the outputs that saw the pixel, W' is each tap of the weights transposed. With strides, pixels
// whose rows and columns leave the same remainders meet the same taps: each such grid is a product of its
// own.

#include "backends/cpu/conv2d_depthwise.h"
#include "backends/cpu/conv2d_gather.h"
#include "backends/cpu/conv2d_winograd.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

/// B[(tap y, tap x, o), c] = weight[tap y][tap x][c][o]
struct PackTransposedTaps {
  const float* weight;  // first output channel of the group
  GatherAxis y, x;
  std::int64_t window_width, group_in, group_out, out;

  const std::int64_t stride = 0;
  const float* in_place() const { return nullptr; }
  void operator()(float* to, std::int64_t k, std::int64_t inner, std::int64_t column,
                  std::int64_t columns) const {
    while (inner > 0) {
      const std::int64_t tap = k / group_out, first = k % group_out,
                         count = smaller(group_out - first, inner);
      const std::int64_t tap_y = y.window_first + tap / x.taps * y.window_step;
      const std::int64_t tap_x = x.window_first + tap % x.taps * x.window_step;
      const float* matrix = weight + (tap_y * window_width + tap_x) * group_in * out;
      PackTransposedB{matrix, out}(to, first, count, column, columns);
      to += count * kTileColumns;
      k += count;
      inner -= count;
    }
  }
};

/// Where the pixels of a grid are in the image.
struct GridRows {
  float* image;  // first pixel of the grid, first channel of the group
  GatherAxis y, x;
  std::int64_t y_stride, x_stride, image_stride;

  void operator()(std::int64_t row, std::int64_t rows, float** pointers) const {
    each_pixel(y, x, row, rows, [&](std::int64_t i, std::int64_t n, std::int64_t py, std::int64_t px) {
      pointers[i] = image + n * image_stride + py * y_stride + px * x_stride;
    });
  }
};

/// The grid of positions remainder, remainder + stride, ... of the input, and the outputs that saw them:
/// window tap t of output o is at o * stride - pad + t * dilation.
GatherAxis backward_axis(int remainder, int in, int out, int window, int stride, int dilation, int pad) {
  GatherAxis axis;
  axis.pixels = ceil_div(in - remainder, stride);
  axis.source = out;
  std::int64_t last = 0, before = 0;
  for (std::int64_t tap = 0; tap < window; ++tap)
    if ((remainder + pad - tap * dilation) % stride == 0) {
      ++axis.taps;
      before = last;
      last = tap;
    }
  const std::int64_t period = last - before;  // 0 or meaningless with fewer than two
  axis.first = (remainder + pad - last * dilation) / stride;
  axis.tap_step = axis.taps > 1 ? period * dilation / stride : 1;
  axis.window_first = last;
  axis.window_step = -period;
  return axis;
}

}  // namespace

void run(const Conv2dBackwardInput& k, Context& context) {
  if (k.grad_input.dtype != DType::f32) return reference::run(k);
  if (is_depthwise(k.geometry)) return depthwise_backward_input(k, context);
  if (winograd_tile(k.geometry, kPrecision)) return winograd_backward_input(k, context);
  const Conv2dGeometry& g = k.geometry;
  const Window2d& w = g.window;
  const std::int64_t in = g.in_channels, group_in = in / g.groups, group_out = g.out_channels / g.groups;
  for (std::int64_t group = 0; group < g.groups; ++group)
    for (int top = 0; top < w.stride_h && top < g.in_height; ++top)
      for (int left = 0; left < w.stride_w && left < g.in_width; ++left) {
        const GatherAxis y =
            backward_axis(top, g.in_height, g.out_height, w.height, w.stride_h, w.dilation_h, w.pad_top);
        const GatherAxis x =
            backward_axis(left, g.in_width, g.out_width, w.width, w.stride_w, w.dilation_w, w.pad_left);
        const PackPixels a{
            {k.grad_output.data<float>() + group * group_out, y, x, group_out, g.out_channels}};
        const PackTransposedTaps b{
            k.weight.data<float>() + group * group_out, y, x, w.width, group_in, group_out, g.out_channels};
        const std::int64_t row = g.in_width * in;
        const GridRows c{k.grad_input.data<float>() + top * row + left * in + group * group_in,
                         y,
                         x,
                         w.stride_h * row,
                         w.stride_w * in,
                         g.in_height * row};
        multiply(g.batch * y.pixels * x.pixels, group_in, a.gather.inner(), a, b, c, {}, {}, context);
      }
}

}  // namespace tapeline::cpu::TAPELINE_ISA
