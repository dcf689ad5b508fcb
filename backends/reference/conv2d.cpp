// A convolution is a sum of products input * weight, each added to one output. The gradients are sums over
// the same triples: that in the input adds grad_output * weight to the input's place, that in the weight adds
// input * grad_output to the weight's.

#include <algorithm>
#include <vector>

#include "backends/reference/activation.h"
#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {
namespace {

// Calls visit(output, input, weight), their positions, for every product that does not fall on padding.
template <typename Visit>
void for_each_product(const Conv2dGeometry& g, Visit&& visit) {
  const Window2d& window = g.window;
  const std::int64_t inputs = g.in_channels / g.groups, outputs = g.out_channels / g.groups;  // of one group
  std::int64_t output = 0;                                                                    // [n, y, x, 0]
  for (std::int64_t n = 0; n < g.batch; ++n)
    for (std::int64_t y = 0; y < g.out_height; ++y)
      for (std::int64_t x = 0; x < g.out_width; ++x, output += g.out_channels)
        for (std::int64_t i = 0; i < window.height; ++i)
          for (std::int64_t j = 0; j < window.width; ++j) {
            const std::int64_t in_y = y * window.stride_h - window.pad_top + i * window.dilation_h;
            const std::int64_t in_x = x * window.stride_w - window.pad_left + j * window.dilation_w;
            if (in_y < 0 || in_y >= g.in_height || in_x < 0 || in_x >= g.in_width) continue;
            const std::int64_t input = ((n * g.in_height + in_y) * g.in_width + in_x) * g.in_channels;
            for (std::int64_t c = 0; c < inputs; ++c) {
              const std::int64_t weight = ((i * window.width + j) * inputs + c) * g.out_channels;
              for (std::int64_t group = 0; group < g.groups; ++group)
                for (std::int64_t o = group * outputs; o < (group + 1) * outputs; ++o)
                  visit(output + o, input + group * inputs + c, weight + o);
            }
          }
}

std::vector<double> zeros_like(const View& view) {
  return std::vector<double>(static_cast<std::size_t>(view.elements()));
}

}  // namespace

void run(const Conv2dForward& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    const T* weight = k.weight.data<T>();
    const T* bias = data_or_null<T>(k.bias);
    std::vector<double> sums = zeros_like(k.output);
    for_each_product(k.geometry, [&](std::int64_t o, std::int64_t i, std::int64_t w) {
      sums[o] += double{input[i]} * weight[w];
    });
    T* output = k.output.data<T>();
    for (std::size_t o = 0; o < sums.size(); ++o)
      output[o] =
          activate(k.activation, static_cast<T>(sums[o] + (bias ? bias[o % k.geometry.out_channels] : 0)));
  });
}

void run(const Conv2dBackwardInput& k) {
  with_float(k.grad_input.dtype, [&]<typename T>() {
    const T* grad_output = k.grad_output.data<T>();
    const T* weight = k.weight.data<T>();
    std::vector<double> sums = zeros_like(k.grad_input);
    for_each_product(k.geometry, [&](std::int64_t o, std::int64_t i, std::int64_t w) {
      sums[i] += double{grad_output[o]} * weight[w];
    });
    std::copy(sums.begin(), sums.end(), k.grad_input.data<T>());
  });
}

void run(const Conv2dBackwardWeight& k) {
  with_float(k.grad_weight.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    const T* grad_output = k.grad_output.data<T>();
    std::vector<double> sums = zeros_like(k.grad_weight);
    for_each_product(k.geometry, [&](std::int64_t o, std::int64_t i, std::int64_t w) {
      sums[w] += double{input[i]} * grad_output[o];
    });
    std::copy(sums.begin(), sums.end(), k.grad_weight.data<T>());

    if (!k.grad_bias) return;
    std::vector<double> bias_sums = zeros_like(k.grad_bias);
    for (std::int64_t o = 0, end = k.grad_output.elements(); o < end; ++o)
      bias_sums[o % k.geometry.out_channels] += grad_output[o];
    std::copy(bias_sums.begin(), bias_sums.end(), k.grad_bias.data<T>());
  });
}

}  // namespace tapeline::reference
