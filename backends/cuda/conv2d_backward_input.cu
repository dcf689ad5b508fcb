// grad_input[pixel, c] = sum over taps (i, j, o) of outputs_seen[pixel, tap] weight[i, j, c, o]: what an
// input pixel gets is gathered, so nothing has to be added up in memory.

#include "backends/cuda/conv2d.h"
#include "backends/cuda/conv2d_gather.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/rounded.h"

namespace tapeline::cuda {
namespace {

/// Element (k, c) = weight[i, j, c, o] with k = (i, j, o).
template <typename T>
struct TurnedWeight {
  static constexpr bool kAlongK = true;
  [[maybe_unused]] static constexpr bool kNear = false;
  using Outer = std::int64_t;
  const T* data;
  int group_inputs, group_outputs, out_channels;
  FastDivide by_outputs;

  __device__ void select(int group) { data += group * group_outputs; }
  __device__ Outer outer(int c) const { return static_cast<std::int64_t>(c) * out_channels; }
  __device__ std::int64_t inner(int k) const {
    const int position = by_outputs.quotient(k);
    return static_cast<std::int64_t>(position) * group_inputs * out_channels + (k - position * group_outputs);
  }
  __device__ T load(Outer outer, std::int64_t inner) const { return data[outer + inner]; }
  __device__ const T* find(Outer outer, std::int64_t inner) const { return data + outer + inner; }
};

template <typename T>
struct Input {
  T* grad_input;
  int channels, group_channels;
  __device__ void select(int group) { grad_input += group * group_channels; }
  __device__ void operator()(int pixel, int c, T value, int) const {
    grad_input[static_cast<std::int64_t>(pixel) * channels + c] = value;
  }
  __device__ void operator()(int pixel, int c, T value, T next, int) const {
    store_pair(grad_input + static_cast<std::int64_t>(pixel) * channels + c, value, next);
  }
};

// Nothing of it where the precision or the sizes do not suit the matrix units' pipeline.
bool run_rounded(const Conv2dBackwardInput& k, Context& context, const GemmSizes& sizes) {
  const Conv2dGeometry& g = k.geometry;
  if (!suits_pipeline(g, k.grad_input)) return false;
  return with_half(context.precision, [&]<typename Half>() {
    const int inputs = g.in_channels / g.groups, outputs = g.out_channels / g.groups;
    const Half* grad_output = rounded<Half>(context, k.grad_output.data<float>(), k.grad_output.elements());
    const Half* weight = rounded<Half>(context, k.weight.data<float>(), k.weight.elements());
    multiply_over_taps<Half>(context, g, sizes, OverTaps<OutputGather<Half>, Half>(grad_output, g),
                             TurnedWeight<Half>{weight, inputs, outputs, g.out_channels, FastDivide(outputs)},
                             Input<float>{k.grad_input.data<float>(), g.in_channels, inputs});
  });
}

}  // namespace

void run(const Conv2dBackwardInput& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  check_size(g);
  if (is_depthwise(g)) return depthwise_backward_input(k, context);
  const int inputs = g.in_channels / g.groups, outputs = g.out_channels / g.groups;
  const GemmSizes sizes{g.batch * g.in_height * g.in_width, inputs,
                        g.window.height * g.window.width * outputs, g.groups};
  if (run_rounded(k, context, sizes)) return;
  with_float(k.grad_input.dtype, [&]<typename T>() {
    multiply<T>(context, sizes, OverTaps<OutputGather<T>, T>(k.grad_output.data<T>(), g),
                TurnedWeight<T>{k.weight.data<T>(), inputs, outputs, g.out_channels, FastDivide(outputs)},
                Input<T>{k.grad_input.data<T>(), g.in_channels, inputs});
  });
}

}  // namespace tapeline::cuda
