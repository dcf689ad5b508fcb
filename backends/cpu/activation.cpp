#include "backends/cpu/activate.h"
#include "backends/cpu/activation_slope.h"
#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

void run(const ActivationForward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const float* input = k.input.data<float>();
  float* output = k.output.data<float>();
  with_activation(
      k.activation, [&](auto f) __attribute__((always_inline)) {
        parallel_for_vectors(
            context, k.output.elements(), [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
              store(output + i, f(load(input + i, lanes)), lanes);
            });
      });
}

void run(const ActivationBackward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const float* output = k.output.data<float>();
  const float* grad_output = k.grad_output.data<float>();
  float* grad_input = k.grad_input.data<float>();
  with_activation_slope(
      k.activation, [&](auto f) __attribute__((always_inline)) {
        parallel_for_vectors(
            context, k.output.elements(), [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
              store(grad_input + i, f(load(grad_output + i, lanes), load(output + i, lanes)), lanes);
            });
      });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
