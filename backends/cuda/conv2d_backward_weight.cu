// grad_weight[tap, o] = sum over pixels of windows[pixel, tap] grad_output[pixel, o]. There are many pixels
// and few weights: the pixels are cut in parts, each part's sums are kept, and a second launch adds them up
// in their order.

#include "backends/cuda/conv2d.h"
#include "backends/cuda/conv2d_gather.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/rounded.h"

namespace tapeline::cuda {
namespace {

template <typename T>
struct PartOfWeight {
  T* parts;  // [part][tap][out_channels]
  std::int64_t weights;
  int channels, group_channels;
  __device__ void select(int group) { parts += group * group_channels; }
  __device__ void operator()(int tap, int o, T value, int part) const {
    parts[part * weights + static_cast<std::int64_t>(tap) * channels + o] = value;
  }
  __device__ void operator()(int tap, int o, T value, T next, int part) const {
    store_pair(parts + part * weights + static_cast<std::int64_t>(tap) * channels + o, value, next);
  }
};

template <typename T>
__global__ void add_parts(std::int64_t weights, int count, const T* parts, T* grad_weight) {
  for (std::int64_t i = first_element(); i < weights; i += element_stride()) {
    T sum = 0;
    for (int p = 0; p < count; ++p) sum += parts[p * weights + i];
    grad_weight[i] = sum;
  }
}

/// Calls multiply(store) with room for all parts, and adds them up.
template <typename T, typename Multiply>
void in_parts(const Conv2dBackwardWeight& k, Context& context, int count, Multiply&& multiply) {
  const std::int64_t weights = k.grad_weight.elements();
  T* parts = count == 1 ? k.grad_weight.data<T>() : context.scratch<T>(weights * count);
  multiply(
      PartOfWeight<T>{parts, weights, k.geometry.out_channels, k.geometry.out_channels / k.geometry.groups});
  if (count > 1)
    launch_elements(context, weights, add_parts<T>, weights, count, parts, k.grad_weight.data<T>());
}

// Nothing of it where the precision or the sizes do not suit the matrix units' pipeline.
bool run_rounded(const Conv2dBackwardWeight& k, Context& context, GemmSizes sizes) {
  const Conv2dGeometry& g = k.geometry;
  if (!suits_pipeline(g, k.grad_weight)) return false;
  return with_half(context.precision, [&]<typename Half>() {
    const PipelinePlan plan = plan_pipeline(context, sizes, 128);
    sizes.parts = plan.parts;
    const Half* input = rounded<Half>(context, k.input.data<float>(), k.input.elements());
    const Half* grad_output = rounded<Half>(context, k.grad_output.data<float>(), k.grad_output.elements());
    in_parts<float>(k, context, sizes.parts, [&](const PartOfWeight<float>& store) {
      multiply_rounded<Half>(context, sizes, plan.tile, OverPixels<WindowGather<Half>, Half>(input, g),
                             Matrix<Half, false>{grad_output, g.out_channels, g.out_channels / g.groups},
                             store);
    });
  });
}

void add_up_bias(const Conv2dBackwardWeight& k, Context& context) {
  Reduce sum;
  sum.input = k.grad_output;
  sum.output = k.grad_bias;
  sum.input.shape = {k.grad_output.elements() / k.geometry.out_channels, k.geometry.out_channels};
  sum.output.shape = {1, k.geometry.out_channels};
  if (sum.input.shape[0] == 1) {  // one row, which Reduce takes for a copy
    sum.input.shape = {1, 1, k.geometry.out_channels};
    sum.output.shape = {1, 1, k.geometry.out_channels};
  }
  run(sum, context);
}

}  // namespace

void run(const Conv2dBackwardWeight& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  check_size(g);
  if (k.grad_bias) add_up_bias(k, context);
  if (is_depthwise(g)) return depthwise_backward_weight(k, context);
  const int inputs = g.in_channels / g.groups, outputs = g.out_channels / g.groups;
  GemmSizes sizes{g.window.height * g.window.width * inputs, outputs, g.batch * g.out_height * g.out_width,
                  g.groups};
  if (run_rounded(k, context, sizes)) return;
  with_float(k.grad_weight.dtype, [&]<typename T>() {
    sizes.parts = gemm_parts(context, sizes, 256);
    in_parts<T>(k, context, sizes.parts, [&](const PartOfWeight<T>& store) {
      multiply<T>(context, sizes, OverPixels<WindowGather<T>, T>(k.input.data<T>(), g),
                  Matrix<T, false>{k.grad_output.data<T>(), g.out_channels, outputs}, store);
    });
  });
}

}  // namespace tapeline::cuda
