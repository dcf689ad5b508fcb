#include "backends/vulkan/kernels.h"
#include "backends/vulkan/slabs.h"
#include "shaders/conv2d_backward_input.spv.h"
#include "shaders/conv2d_backward_weight.spv.h"
#include "shaders/conv2d_forward.spv.h"
#include "shaders/sum_slabs.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kForward{"conv2d_forward", conv2d_forward_spv};
constexpr Shader kBackwardInput{"conv2d_backward_input", conv2d_backward_input_spv};
constexpr Shader kBackwardWeight{"conv2d_backward_weight", conv2d_backward_weight_spv};
constexpr Shader kSumSlabs{"sum_slabs", sum_slabs_spv};

struct Push {
  std::int32_t batch;
  std::int32_t in_height, in_width, in_channels;
  std::int32_t out_height, out_width, out_channels;
  std::int32_t groups;
  Window2d window;
  float slope;
  std::uint32_t slab, slabs;
};
static_assert(sizeof(Window2d) == 32);

struct SumPush {
  std::uint32_t count, slabs;
  std::uint32_t first_count, second_count;
};

Push push_of(const Conv2dGeometry& g) {
  return {g.batch,
          g.in_height,
          g.in_width,
          g.in_channels,
          g.out_height,
          g.out_width,
          g.out_channels,
          g.groups,
          g.window,
          0,
          1,
          1};
}

}  // namespace

void plan(const Conv2dForward& k, Plan& plan) {
  require_f32(k.output);
  count_of(k.input), count_of(k.output);
  Push push = push_of(k.geometry);
  push.slope = k.activation.slope;
  plan.dispatch(kForward, {in(k.input), in(k.weight), in(k.bias), out(k.output)}, push,
                one_each(k.output.elements()), {number(k.activation.kind), bool(k.bias)});
}

void plan(const Conv2dBackwardInput& k, Plan& plan) {
  require_f32(k.grad_input);
  count_of(k.grad_input), count_of(k.grad_output);
  plan.dispatch(kBackwardInput, {in(k.grad_output), in(k.weight), out(k.grad_input)}, push_of(k.geometry),
                one_each(k.grad_input.elements()));
}

void plan(const Conv2dBackwardWeight& k, Plan& plan) {
  require_f32(k.grad_weight);
  count_of(k.input);
  Push push = push_of(k.geometry);
  const std::uint32_t outputs = narrow(k.geometry.out_channels);
  const std::uint32_t positions = count_of(k.grad_output) / outputs;
  const std::uint32_t weights = count_of(k.grad_weight), all = weights + outputs;
  const Slabs slabs = cut(positions, 256);
  push.slab = slabs.size;
  push.slabs = slabs.count;
  const Place partial = plan.scratch(std::size_t{all} * slabs.count * sizeof(float));
  plan.dispatch(kBackwardWeight, {in(k.input), in(k.grad_output), out(partial)}, push,
                one_each(std::int64_t{all} * slabs.count));
  const std::uint32_t biases = k.grad_bias ? outputs : 0;
  plan.dispatch(kSumSlabs, {in(partial), out(k.grad_weight), out(k.grad_bias)},
                SumPush{all, slabs.count, weights, biases}, one_each(weights + biases));
}

}  // namespace tapeline::vulkan
