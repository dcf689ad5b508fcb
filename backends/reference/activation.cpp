#include "backends/reference/activation.h"

#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {

void run(const ActivationForward& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    T* output = k.output.data<T>();
    for (std::int64_t i = 0, end = k.output.elements(); i < end; ++i)
      output[i] = activate(k.activation, input[i]);
  });
}

void run(const ActivationBackward& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* output = k.output.data<T>();
    const T* grad_output = k.grad_output.data<T>();
    T* grad_input = k.grad_input.data<T>();
    for (std::int64_t i = 0, end = k.output.elements(); i < end; ++i)
      grad_input[i] = grad_output[i] * activation_slope(k.activation, output[i]);
  });
}

}  // namespace tapeline::reference
