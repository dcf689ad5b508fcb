// output[pixel, o] = sum over taps (i, j, c) of windows[pixel, tap] weight[tap, o]: one matrix product for
// each group.

#include <cmath>

#include "backends/cuda/activate.h"
#include "backends/cuda/conv2d.h"
#include "backends/cuda/conv2d_gather.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/rounded.h"

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

/// The same for two neighbours, with the activations that are made of straight lines: the registers of a tile
/// are all written out, and the code of the others would be there a hundred times.
struct OutputPair {
  float* output;
  const float* bias;
  int channels, group_channels;
  float slope = 1, top = INFINITY;  // below 0; the largest value

  OutputPair(const Conv2dForward& k, bool activated)
      : output(k.output.data<float>()),
        bias(data_or_null<float>(k.bias)),
        channels(k.geometry.out_channels),
        group_channels(k.geometry.out_channels / k.geometry.groups) {
    if (!activated || !k.activation) return;
    slope = k.activation.kind == ActivationKind::leaky_relu ? static_cast<float>(k.activation.slope) : 0;
    if (k.activation.kind == ActivationKind::relu6) top = 6;
  }
  static bool has(ActivationKind kind) {
    return kind != ActivationKind::sigmoid && kind != ActivationKind::tanh;
  }

  __device__ void select(int group) {
    output += group * group_channels;
    if (bias) bias += group * group_channels;
  }
  __device__ float activate(float x) const {
    return x < 0 ? fmaf(slope, x, 0.0f) : x > top ? top : x;  // no -0
  }
  __device__ void operator()(int pixel, int o, float value, float next, int) const {
    if (bias) value += bias[o], next += bias[o + 1];
    store_pair(output + static_cast<std::int64_t>(pixel) * channels + o, activate(value), activate(next));
  }
};

// Nothing of it where the precision or the sizes do not suit the matrix units' pipeline.
bool run_rounded(const Conv2dForward& k, Context& context, const GemmSizes& sizes) {
  const Conv2dGeometry& g = k.geometry;
  if (!suits_pipeline(g, k.output)) return false;
  return with_half(context.precision, [&]<typename Half>() {
    const Half* input = rounded<Half>(context, k.input.data<float>(), k.input.elements());
    const Half* weight = rounded<Half>(context, k.weight.data<float>(), k.weight.elements());
    const bool at_once = OutputPair::has(k.activation.kind);
    multiply_over_taps<Half>(context, g, sizes, OverTaps<WindowGather<Half>, Half>(input, g),
                             Matrix<Half, false>{weight, g.out_channels, sizes.columns},
                             OutputPair(k, at_once));
    if (!at_once) run(ActivationForward{k.output, k.output, k.activation}, context);
  });
}

}  // namespace

void run(const Conv2dForward& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  check_size(g);
  if (is_depthwise(g)) return depthwise_forward(k, context);
  const int inputs = g.in_channels / g.groups, outputs = g.out_channels / g.groups;
  const GemmSizes sizes{g.batch * g.out_height * g.out_width, outputs,
                        g.window.height * g.window.width * inputs, g.groups};
  if (run_rounded(k, context, sizes)) return;
  with_float(k.output.dtype, [&]<typename T>() {
    multiply<T>(
        context, sizes, OverTaps<WindowGather<T>, T>(k.input.data<T>(), g),
        Matrix<T, false>{k.weight.data<T>(), g.out_channels, outputs},
        Output<T>{k.output.data<T>(), data_or_null<T>(k.bias), g.out_channels, outputs, k.activation});
  });
}

}  // namespace tapeline::cuda
