#include "backends/vulkan/kernels.h"
#include "shaders/max_pool2d_backward.spv.h"
#include "shaders/max_pool2d_backward_lanes.spv.h"
#include "shaders/max_pool2d_forward.spv.h"
#include "shaders/max_pool2d_lanes.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kForward{"max_pool2d_forward", max_pool2d_forward_spv};
constexpr Shader kLanes{"max_pool2d_lanes", max_pool2d_lanes_spv};
constexpr Shader kBackward{"max_pool2d_backward", max_pool2d_backward_spv};
constexpr Shader kBackwardLanes{"max_pool2d_backward_lanes", max_pool2d_backward_lanes_spv};

struct Push {
  std::uint32_t count, in_height, in_width, channels, out_height, out_width;
  std::int32_t window_height, window_width, stride_h, stride_w, pad_top, pad_left;
};

Push push_of(std::uint32_t count, const Shape& input, const Shape& output, const Window2d& w) {
  return {
      count,    narrow(input[1]), narrow(input[2]), narrow(input[3]), narrow(output[1]), narrow(output[2]),
      w.height, w.width,          w.stride_h,       w.stride_w,       w.pad_top,         w.pad_left};
}

bool take_lanes(const Shape& shape, bool fit, Plan& plan) {
  return plan.choose({Family::max_pool2d, shape[3], shape[3]}, {{Variant::lanes, fit}, {Variant::shared}}) ==
         Variant::lanes;
}

}  // namespace

void plan(const MaxPool2dForward& k, Plan& plan) {
  require_f32(k.output);
  count_of(k.input);
  const Place input = place_of(k.input);
  const bool lanes =
      take_lanes(k.input.shape, k.input.shape[3] % 4 == 0 && plan.lanes_fit(input, true), plan);
  plan.dispatch(lanes ? kLanes : kForward,
                {lanes ? texels(input, true) : in(input), in(k.widths), out(k.output), both(k.choice)},
                push_of(count_of(k.output), k.input.shape, k.output.shape, k.window),
                one_each((k.output.elements() + 3) / 4), {bool(k.widths), bool(k.choice)});
}

void plan(const MaxPool2dBackward& k, Plan& plan) {
  require_f32(k.grad_input);
  const Push push = push_of(count_of(k.grad_input), k.grad_input.shape, k.grad_output.shape, k.window);
  const Place grad_output = place_of(k.grad_output);
  const bool fit = k.grad_input.shape[3] % 4 == 0 && grad_output.bytes > 0;
  if (take_lanes(k.grad_input.shape, fit && plan.lanes_fit(grad_output, true), plan))
    plan.dispatch(kBackwardLanes, {texels(grad_output, true), in(k.choice), out(k.grad_input)}, push,
                  one_each(k.grad_input.elements() / 4),
                  {narrow(k.window.stride_h), narrow(k.window.stride_w)});
  else
    plan.dispatch(kBackward, {in(k.choice), in(k.grad_output), out(k.grad_input)}, push,
                  one_each(k.grad_input.elements()));
}

}  // namespace tapeline::vulkan
