// Gradient of the weights: C[(tap, c), o] = sum over pixels of A[pixel, (tap, c)] G[pixel, o], a product over
// very many pixels: multiply_split. The sums of G's columns, the gradient of the bias, come with it.

#include "backends/cpu/conv2d_depthwise.h"
#include "backends/cpu/conv2d_gather.h"
#include "backends/cpu/conv2d_narrow.h"
#include "backends/cpu/conv2d_winograd.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

void run(const Conv2dBackwardWeight& k, Context& context) {
  if (k.grad_weight.dtype != DType::f32) return reference::run(k);
  if (is_depthwise(k.geometry)) return depthwise_backward_weight(k, context);
  if (is_narrow(k.geometry)) return narrow_backward_weight(k, context);
  if (winograd_weight_tile(k.geometry)) return winograd_backward_weight(k, context);
  const Conv2dGeometry& g = k.geometry;
  const std::int64_t out = g.out_channels, group_out = out / g.groups, group_in = g.in_channels / g.groups;
  const std::int64_t pixels = std::int64_t{g.batch} * g.out_height * g.out_width;
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const std::int64_t first = group * group_out;
    const PackPixelColumns a{forward_gather(g, k.input.data<float>(), group * group_in)};
    multiply_split(a.gather.inner(), group_out, pixels, a, PackB{k.grad_output.data<float>() + first, out},
                   k.grad_weight.data<float>() + first, out, false,
                   k.grad_bias ? k.grad_bias.data<float>() + first : nullptr, context);
  }
}

}  // namespace tapeline::cpu::TAPELINE_ISA
