#include "backends/cuda/activate.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/packs.h"

namespace tapeline::cuda {
namespace {

template <int kWide, typename T>
__global__ void forward(std::int64_t packs, Activation activation, const T* input, T* output) {
  for (std::int64_t i = first_element(); i < packs; i += element_stride()) {
    Pack<T, kWide> x = load_pack<kWide>(input, i);
    for (T& value : x.values) value = activate(activation, value);
    store_pack<kWide>(output, i, x);
  }
}

template <int kWide, typename T>
__global__ void backward(std::int64_t packs, Activation activation, const T* output, const T* grad_output,
                         T* grad_input) {
  for (std::int64_t i = first_element(); i < packs; i += element_stride()) {
    const Pack<T, kWide> y = load_pack<kWide>(output, i);
    Pack<T, kWide> grad = load_pack<kWide>(grad_output, i);
    for (int j = 0; j < kWide; ++j) grad.values[j] *= activation_slope(activation, y.values[j]);
    store_pack<kWide>(grad_input, i, grad);
  }
}

}  // namespace

void run(const ActivationForward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    const std::int64_t elements = k.output.elements();
    const T* input = k.input.data<T>();
    T* output = k.output.data<T>();
    with_width(in_fours(elements, elements, {input, output}), [&]<int kWide>() {
      launch_elements(context, elements / kWide, forward<kWide, T>, elements / kWide, k.activation, input,
                      output);
    });
  });
}

void run(const ActivationBackward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    const std::int64_t elements = k.output.elements();
    const T *output = k.output.data<T>(), *grad_output = k.grad_output.data<T>();
    T* grad_input = k.grad_input.data<T>();
    with_width(in_fours(elements, elements, {output, grad_output, grad_input}), [&]<int kWide>() {
      launch_elements(context, elements / kWide, backward<kWide, T>, elements / kWide, k.activation, output,
                      grad_output, grad_input);
    });
  });
}

}  // namespace tapeline::cuda
