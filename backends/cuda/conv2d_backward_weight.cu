// grad_weight[tap, o] = sum over pixels of windows[pixel, tap] grad_output[pixel, o]. There are many pixels
// and few weights: the pixels are cut in parts, each part's sums are kept, and a second launch adds them up
// in their order.

#include "backends/cuda/conv2d.h"
#include "backends/cuda/conv2d_gather.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/gemm_tile.h"
#include "backends/cuda/kernels.h"

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
};

template <typename T>
__global__ void add_parts(std::int64_t weights, int count, const T* parts, T* grad_weight) {
  for (std::int64_t i = first_element(); i < weights; i += element_stride()) {
    T sum = 0;
    for (int p = 0; p < count; ++p) sum += parts[p * weights + i];
    grad_weight[i] = sum;
  }
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
  with_float(k.grad_weight.dtype, [&]<typename T>() {
    GemmSizes sizes{g.window.height * g.window.width * inputs, outputs, g.batch * g.out_height * g.out_width,
                    g.groups};
    sizes.parts = gemm_parts(context, sizes, 256);
    const std::int64_t weights = k.grad_weight.elements();
    T* parts = sizes.parts == 1 ? k.grad_weight.data<T>() : context.scratch<T>(weights * sizes.parts);
    multiply<T>(context, sizes, OverPixels<WindowGather<T>, T>(k.input.data<T>(), g),
                Matrix<T, false>{k.grad_output.data<T>(), g.out_channels, outputs},
                PartOfWeight<T>{parts, weights, g.out_channels, outputs});
    if (sizes.parts > 1)
      launch_elements(context, weights, add_parts<T>, weights, sizes.parts, parts, k.grad_weight.data<T>());
  });
}

}  // namespace tapeline::cuda
