#include "backends/vulkan/kernels.h"
#include "shaders/log_softmax_backward.spv.h"
#include "shaders/log_softmax_forward.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kForward{"log_softmax_forward", log_softmax_forward_spv};
constexpr Shader kBackward{"log_softmax_backward", log_softmax_backward_spv};

struct Push {
  std::uint32_t rows, classes;
};

}  // namespace

void plan(const LogSoftmaxForward& k, Plan& plan) {
  require_f32(k.output);
  const std::uint32_t elements = count_of(k.output), classes = narrow(k.output.shape[-1]);
  if (elements > 0)
    plan.dispatch(kForward, {in(k.input), out(k.output)}, Push{elements / classes, classes},
                  one_each(elements / classes));
}

void plan(const LogSoftmaxBackward& k, Plan& plan) {
  require_f32(k.output);
  const std::uint32_t elements = count_of(k.output), classes = narrow(k.output.shape[-1]);
  if (elements > 0)
    plan.dispatch(kBackward, {in(k.output), in(k.grad_output), out(k.grad_input)},
                  Push{elements / classes, classes}, one_each(elements / classes));
}

}  // namespace tapeline::vulkan
