#include "backends/vulkan/kernels.h"
#include "shaders/activation_backward.spv.h"
#include "shaders/activation_forward.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kForward{"activation_forward", activation_forward_spv};
constexpr Shader kBackward{"activation_backward", activation_backward_spv};

struct Push {
  std::uint32_t count;
  float slope;
};

}  // namespace

void plan(const ActivationForward& k, Plan& plan) {
  require_f32(k.output);
  plan.dispatch(kForward, {in(k.input), out(k.output)}, Push{count_of(k.output), k.activation.slope},
                one_each(k.output.elements()), {number(k.activation.kind)});
}

void plan(const ActivationBackward& k, Plan& plan) {
  require_f32(k.output);
  plan.dispatch(kBackward, {in(k.output), in(k.grad_output), out(k.grad_input)},
                Push{count_of(k.output), k.activation.slope}, one_each(k.output.elements()),
                {number(k.activation.kind)});
}

}  // namespace tapeline::vulkan
