// A row at a time: its largest value, the sum of the exponentials of the distances to it, the result.

#include "backends/cpu/lanes.h"
#include "backends/cpu/log_sum_exp.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

void run(const LogSoftmaxForward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  if (k.output.elements() == 0) return;
  const std::int64_t classes = k.input.shape[-1];
  const float* input = k.input.data<float>();
  float* output = k.output.data<float>();
  context.pool.parallel_for(
      k.input.elements() / classes, task_rows(4 * classes), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          const float* x = input + row * classes;
          const LogSumExp total = log_sum_exp(x, classes);
          for_vectors(
              0, classes, [=](std::int64_t c, auto lanes) __attribute__((always_inline)) {
                store(output + row * classes + c, load(x + c, lanes) - total.largest - total.rest, lanes);
              });
        }
      });
}

void run(const LogSoftmaxBackward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  if (k.output.elements() == 0) return;
  const std::int64_t classes = k.output.shape[-1];
  const float* output = k.output.data<float>();
  const float* grad_output = k.grad_output.data<float>();
  float* grad_input = k.grad_input.data<float>();
  context.pool.parallel_for(
      k.output.elements() / classes, task_rows(4 * classes), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin * classes; row < end * classes; row += classes) {
          Vec sums;
          for_vectors(
              row, row + classes, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
                sums += load(grad_output + i, lanes);
              });
          const Vec total(sum_of_lanes(sums));
          for_vectors(
              row, row + classes, [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
                store(grad_input + i, load(grad_output + i, lanes) - exp(load(output + i, lanes)) * total,
                      lanes);
              });
        }
      });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
