#include "backends/cuda/activate.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"

namespace tapeline::cuda {
namespace {

template <typename T>
__global__ void forward(std::int64_t elements, Activation activation, const T* input, T* output) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride())
    output[i] = activate(activation, input[i]);
}

template <typename T>
__global__ void backward(std::int64_t elements, Activation activation, const T* output, const T* grad_output,
                         T* grad_input) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride())
    grad_input[i] = grad_output[i] * activation_slope(activation, output[i]);
}

}  // namespace

void run(const ActivationForward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, k.output.elements(), forward<T>, k.output.elements(), k.activation,
                    k.input.data<T>(), k.output.data<T>());
  });
}

void run(const ActivationBackward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, k.output.elements(), backward<T>, k.output.elements(), k.activation,
                    k.output.data<T>(), k.grad_output.data<T>(), k.grad_input.data<T>());
  });
}

}  // namespace tapeline::cuda
