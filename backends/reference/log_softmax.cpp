#include <cmath>

#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"
#include "backends/reference/log_sum_exp.h"

namespace tapeline::reference {

void run(const LogSoftmaxForward& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    T* output = k.output.data<T>();
    const std::int64_t classes = k.input.shape[-1], elements = k.input.elements();
    for (std::int64_t row = 0; row < elements; row += classes) {
      const double total = log_sum_exp(input + row, classes);
      for (std::int64_t c = 0; c < classes; ++c) output[row + c] = input[row + c] - total;
    }
  });
}

void run(const LogSoftmaxBackward& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* output = k.output.data<T>();
    const T* grad_output = k.grad_output.data<T>();
    T* grad_input = k.grad_input.data<T>();
    const std::int64_t classes = k.output.shape[-1], elements = k.output.elements();
    for (std::int64_t row = 0; row < elements; row += classes) {
      double sum = 0;
      for (std::int64_t c = 0; c < classes; ++c) sum += grad_output[row + c];
      for (std::int64_t c = 0; c < classes; ++c)
        grad_input[row + c] = grad_output[row + c] - std::exp(double{output[row + c]}) * sum;
    }
  });
}

}  // namespace tapeline::reference
