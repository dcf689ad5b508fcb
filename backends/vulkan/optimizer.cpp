// A dispatch for each parameter. They touch different memory, so no barrier keeps them apart.

#include <vector>

#include "backends/vulkan/kernels.h"
#include "backends/vulkan/slabs.h"
#include "shaders/optimizer_norm.spv.h"
#include "shaders/optimizer_squares.spv.h"
#include "shaders/optimizer_step.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kNorm{"optimizer_norm", optimizer_norm_spv};
constexpr Shader kSquares{"optimizer_squares", optimizer_squares_spv};
constexpr Shader kStep{"optimizer_step", optimizer_step_spv};

enum class Method : std::uint32_t { sgd, adam, rms_prop, adadelta };

struct StepPush {
  std::uint32_t count;
  float weight_decay;
  float a, rest_of_a, b, rest_of_b;
  float epsilon;
};
struct SquaresPush {
  std::uint32_t count, slab, slabs, first;
};
struct NormPush {
  std::uint32_t count;
  float limit;
};

void plan_steps(const OptimizerGroup& group, Method method, bool variation, float a, float b, float epsilon,
                Plan& plan) {
  StepPush push{0, group.weight_decay, a, 1 - a, b, 1 - b, epsilon};
  for (std::size_t i = 0; i < group.parameters.size(); ++i) {
    const View& parameter = group.parameters[i];
    count_of(parameter);
    for (const Run& run : plan.runs(parameter.elements(), {sizeof(float)})) {
      const auto some = [&](const View& view) { return rows_of(place_of(view), sizeof(float), run); };
      push.count = narrow(run.count);
      plan.dispatch(kStep,
                    {both(some(parameter)), in(some(group.gradients[i])),
                     both(group.first.empty() ? Place{} : some(group.first[i])),
                     both(group.second.empty() ? Place{} : some(group.second[i])), in(group.hyper),
                     in(group.gradient_scale)},
                    push, one_each(run.count),
                    {number(method), bool(group.gradient_scale), !group.first.empty(), variation});
    }
  }
}

}  // namespace

void plan(const GlobalNorm& k, Plan& plan) {
  struct Part {
    Place gradient;
    SquaresPush push;
  };
  std::vector<Part> parts;
  std::uint32_t all = 0;
  for (const View& gradient : k.gradients)
    for (const Run& run : plan.runs(count_of(gradient), {sizeof(float)})) {
      const Slabs slabs = cut(narrow(run.count));
      parts.push_back({rows_of(place_of(gradient), sizeof(float), run),
                       {narrow(run.count), slabs.size, slabs.count, all}});
      all += slabs.count;
    }
  const Place partial = plan.scratch(std::size_t{all} * 2 * sizeof(float));
  for (const Part& part : parts)
    plan.dispatch(kSquares, {in(part.gradient), out(partial)}, part.push, one_each(part.push.slabs));
  plan.dispatch(kNorm, {in(partial), out(k.norm), out(k.scale), in(k.loss_scale)}, NormPush{all, k.limit},
                Grid{1, 1}, {bool(k.loss_scale)});
}

void plan(const SgdStep& k, Plan& plan) {
  plan_steps(k.group, Method::sgd, k.nesterov, k.momentum, 0, 0, plan);
}

void plan(const AdamStep& k, Plan& plan) {
  plan_steps(k.group, Method::adam, k.decoupled, k.beta1, k.beta2, k.epsilon, plan);
}

void plan(const RmsPropStep& k, Plan& plan) {
  plan_steps(k.group, Method::rms_prop, false, k.momentum, k.decay, k.epsilon, plan);
}

void plan(const AdadeltaStep& k, Plan& plan) {
  plan_steps(k.group, Method::adadelta, false, 0, k.decay, k.epsilon, plan);
}

}  // namespace tapeline::vulkan
