// Where the device computes in fp16, shaders that do not round the factors of products as they load them, or
// load them many times, are given a copy that is rounded already.

#include <algorithm>

#include "backends/vulkan/kernels.h"
#include "shaders/to_half.spv.h"
#include "shaders/to_half_lanes.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kToHalf{"to_half", to_half_spv};
constexpr Shader kToHalfLanes{"to_half_lanes", to_half_lanes_spv};

struct Push {
  std::uint32_t count;
};

std::uint32_t floats_of(const Place& place) {
  return narrow(static_cast<std::int64_t>(place.bytes / sizeof(float)));
}

// Four are written at a time, also where fewer are left.
Place half_of(const Place& place, Plan& plan) {
  return plan.scratch((place.bytes / sizeof(float) + 3) / 4 * 8);
}

}  // namespace

Operand factors_as_texels(const Place& factors, bool fours, Plan& plan) {
  if (!plan.half()) return texels(factors, fours);
  const std::uint32_t count = floats_of(factors);
  const bool load_fours = count % 4 == 0;
  Place half = half_of(factors, plan);
  // Large workgroups: such drivers take long to begin one.
  const std::uint32_t lanes = std::min(256u, plan.device().limits().maxComputeWorkGroupInvocations);
  plan.dispatch(kToHalfLanes, {texels(factors, load_fours), out(half)}, Push{count},
                one_each((std::int64_t{count} + 3) / 4, lanes), {load_fours});
  return texels_of_half(half, fours);
}

Operand factors_in_fours(const Place& factors, Plan& plan) {
  if (!plan.half()) return in(factors);
  const std::uint32_t count = floats_of(factors);
  const Place half = half_of(factors, plan);
  plan.dispatch(kToHalf, {in(factors), out(half)}, Push{count}, one_each(count / 4));
  return in(half);
}

}  // namespace tapeline::vulkan
