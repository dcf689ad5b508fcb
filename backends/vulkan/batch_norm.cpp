// Training: statistics of slabs of rows, put together channel by channel, then the result. Back: the two sums
// in the same way, then the gradient.

#include "backends/vulkan/kernels.h"
#include "backends/vulkan/slabs.h"
#include "shaders/batch_norm_apply.spv.h"
#include "shaders/batch_norm_backward_apply.spv.h"
#include "shaders/batch_norm_backward_finish.spv.h"
#include "shaders/batch_norm_backward_sums.spv.h"
#include "shaders/batch_norm_finish.spv.h"
#include "shaders/batch_norm_statistics.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kApply{"batch_norm_apply", batch_norm_apply_spv};
constexpr Shader kBackwardApply{"batch_norm_backward_apply", batch_norm_backward_apply_spv};
constexpr Shader kBackwardFinish{"batch_norm_backward_finish", batch_norm_backward_finish_spv};
constexpr Shader kBackwardSums{"batch_norm_backward_sums", batch_norm_backward_sums_spv};
constexpr Shader kFinish{"batch_norm_finish", batch_norm_finish_spv};
constexpr Shader kStatistics{"batch_norm_statistics", batch_norm_statistics_spv};

struct Push {
  std::uint32_t rows, height, width, channels;
  std::uint32_t slab, slabs;
  float epsilon, momentum, slope;
};

Push push_of(const View& input, const Activation& activation) {
  const Shape& shape = input.shape;
  const std::uint32_t rows = narrow(shape[0] * shape[1] * shape[2]);
  const Slabs slabs = cut(rows);
  count_of(input);  // must be countable
  return {rows, narrow(shape[1]), narrow(shape[2]), narrow(shape[3]), slabs.size, slabs.count, 0,
          0,    activation.slope};
}

}  // namespace

void plan(const BatchNormTraining& k, Plan& plan) {
  require_f32(k.input);
  Push push = push_of(k.input, k.activation);
  push.epsilon = k.epsilon;
  push.momentum = k.momentum;
  const Place partial = plan.scratch(std::size_t{push.slabs} * push.channels * 3 * sizeof(float));
  const bool widths{k.widths};
  plan.dispatch(kStatistics, {in(k.input), in(k.widths), out(partial)}, push,
                one_each(std::int64_t{push.slabs} * push.channels), {widths});
  plan.dispatch(kFinish,
                {in(partial), both(k.running_mean), both(k.running_variance), out(k.mean), out(k.inv_dev)},
                push, one_each(push.channels), {bool(k.running_mean), bool(k.running_variance)});
  plan.dispatch(
      kApply,
      {in(k.input), in(k.widths), in(k.mean), in(k.inv_dev), in(k.scale), in(k.offset), out(k.output)}, push,
      one_each(k.output.elements()),
      {number(k.activation.kind), widths, bool(k.scale), bool(k.offset), false});
}

void plan(const BatchNormInference& k, Plan& plan) {
  require_f32(k.input);
  Push push = push_of(k.input, k.activation);
  push.epsilon = k.epsilon;
  plan.dispatch(kApply,
                {in(k.input), in(k.widths), in(k.running_mean), in(k.running_variance), in(k.scale),
                 in(k.offset), out(k.output)},
                push, one_each(k.output.elements()),
                {number(k.activation.kind), bool(k.widths), bool(k.scale), bool(k.offset), true});
}

void plan(const BatchNormBackward& k, Plan& plan) {
  require_f32(k.input);
  const Push push = push_of(k.input, k.activation);
  const Place partial = plan.scratch(std::size_t{push.slabs} * push.channels * 3 * sizeof(float));
  const Place totals = plan.scratch(std::size_t{push.channels} * 5 * sizeof(float));
  const std::uint32_t activation = k.output ? number(k.activation.kind) : number(ActivationKind::none);
  const bool widths{k.widths};
  plan.dispatch(
      kBackwardSums,
      {in(k.input), in(k.widths), in(k.mean), in(k.inv_dev), in(k.output), in(k.grad_output), out(partial)},
      push, one_each(std::int64_t{push.slabs} * push.channels), {activation, widths});
  plan.dispatch(kBackwardFinish,
                {in(partial), in(k.mean), in(k.inv_dev), in(k.scale), out(totals), out(k.grad_scale),
                 out(k.grad_offset)},
                push, one_each(push.channels), {bool(k.scale), bool(k.grad_scale), bool(k.grad_offset)});
  if (!k.grad_input) return;
  plan.dispatch(kBackwardApply,
                {in(k.input), in(k.widths), in(totals), in(k.output), in(k.grad_output), out(k.grad_input)},
                push, one_each(k.grad_input.elements()), {activation, widths});
}

}  // namespace tapeline::vulkan
