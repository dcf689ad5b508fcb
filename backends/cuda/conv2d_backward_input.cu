// grad_input[pixel, c] = sum over taps (i, j, o) of outputs_seen[pixel, tap] weight[i, j, c, o]: what an
// input pixel gets is gathered, so nothing has to be added up in memory.

#include "backends/cuda/conv2d.h"
#include "backends/cuda/conv2d_gather.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/gemm_tile.h"
#include "backends/cuda/kernels.h"

namespace tapeline::cuda {
namespace {

/// Element (k, c) = weight[i, j, c, o] with k = (i, j, o).
template <typename T>
struct TurnedWeight {
  static constexpr bool kAlongK = true;
  using Outer = std::int64_t;
  const T* weight;
  int group_inputs, group_outputs, out_channels;
  FastDivide by_outputs;

  __device__ void select(int group) { weight += group * group_outputs; }
  __device__ Outer outer(int c) const { return static_cast<std::int64_t>(c) * out_channels; }
  __device__ std::int64_t inner(int k) const {
    const int position = by_outputs.quotient(k);
    return static_cast<std::int64_t>(position) * group_inputs * out_channels + (k - position * group_outputs);
  }
  __device__ T load(Outer outer, std::int64_t inner) const { return weight[outer + inner]; }
};

template <typename T>
struct Input {
  T* grad_input;
  int channels, group_channels;
  __device__ void select(int group) { grad_input += group * group_channels; }
  __device__ void operator()(int pixel, int c, T value, int) const {
    grad_input[static_cast<std::int64_t>(pixel) * channels + c] = value;
  }
};

}  // namespace

void run(const Conv2dBackwardInput& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  check_size(g);
  if (is_depthwise(g)) return depthwise_backward_input(k, context);
  const int inputs = g.in_channels / g.groups, outputs = g.out_channels / g.groups;
  with_float(k.grad_input.dtype, [&]<typename T>() {
    const GemmSizes sizes{g.batch * g.in_height * g.in_width, inputs,
                          g.window.height * g.window.width * outputs, g.groups};
    multiply<T>(context, sizes, OverTaps<OutputGather<T>, T>(k.grad_output.data<T>(), g),
                TurnedWeight<T>{k.weight.data<T>(), inputs, outputs, g.out_channels, FastDivide(outputs)},
                Input<T>{k.grad_input.data<T>(), g.in_channels, inputs});
  });
}

}  // namespace tapeline::cuda
