// Forward: C[pixel, o] = A[pixel, (tap, c)] W[(tap, c), o], the matrix A as conv2d_gather.h has it. Weights
// are [kh, kw, C, O], a matrix as they are. Groups are products of their own; one channel a group is done
// directly.

#include "backends/cpu/conv2d_depthwise.h"
#include "backends/cpu/conv2d_gather.h"
#include "backends/cpu/conv2d_narrow.h"
#include "backends/cpu/conv2d_winograd.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

Gather forward_gather(const Conv2dGeometry& g, const float* input, std::int64_t first_channel) {
  const Window2d& w = g.window;
  return {input + first_channel,
          {g.out_height, g.in_height, w.stride_h, -w.pad_top, w.dilation_h, w.height, 0, 1},
          {g.out_width, g.in_width, w.stride_w, -w.pad_left, w.dilation_w, w.width, 0, 1},
          g.in_channels / g.groups,
          g.in_channels};
}

void run(const Conv2dForward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  if (is_depthwise(k.geometry)) return depthwise_forward(k, context);
  if (is_narrow(k.geometry)) return narrow_forward(k, context);
  if (winograd_tile(k.geometry, kPrecision)) return winograd_forward(k, context);
  const Conv2dGeometry& g = k.geometry;
  const std::int64_t out = g.out_channels, group_out = out / g.groups, group_in = g.in_channels / g.groups;
  const std::int64_t pixels = std::int64_t{g.batch} * g.out_height * g.out_width;
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const std::int64_t first = group * group_out;
    const PackPixels a{forward_gather(g, k.input.data<float>(), group * group_in)};
    multiply(pixels, group_out, a.gather.inner(), a, PackB{k.weight.data<float>() + first, out},
             PlainRows{k.output.data<float>() + first, out},
             {k.bias ? k.bias.data<float>() + first : nullptr, false}, k.activation, context,
             {&k.weight, form_number(Form::window, group)});
  }
}

}  // namespace tapeline::cpu::TAPELINE_ISA
