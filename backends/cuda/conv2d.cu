// output[pixel, o] = sum over taps (i, j, c) of windows[pixel, tap] weight[tap, o]: one matrix product for
// each group.

#include "backends/cuda/activate.h"
#include "backends/cuda/conv2d.h"
#include "backends/cuda/conv2d_gather.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/gemm_tile.h"
#include "backends/cuda/kernels.h"

namespace tapeline::cuda {
namespace {

template <typename T>
struct Output {
  T* output;
  const T* bias;
  int channels, group_channels;
  Activation activation;

  __device__ void select(int group) {
    output += group * group_channels;
    if (bias) bias += group * group_channels;
  }
  __device__ void operator()(int pixel, int o, T value, int) const {
    if (bias) value += bias[o];
    output[static_cast<std::int64_t>(pixel) * channels + o] = activate(activation, value);
  }
};

}  // namespace

void run(const Conv2dForward& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  check_size(g);
  if (is_depthwise(g)) return depthwise_forward(k, context);
  const int inputs = g.in_channels / g.groups, outputs = g.out_channels / g.groups;
  with_float(k.output.dtype, [&]<typename T>() {
    const GemmSizes sizes{g.batch * g.out_height * g.out_width, outputs,
                          g.window.height * g.window.width * inputs, g.groups};
    multiply<T>(
        context, sizes, OverTaps<WindowGather<T>, T>(k.input.data<T>(), g),
        Matrix<T, false>{k.weight.data<T>(), g.out_channels, outputs},
        Output<T>{k.output.data<T>(), data_or_null<T>(k.bias), g.out_channels, outputs, k.activation});
  });
}

}  // namespace tapeline::cuda
