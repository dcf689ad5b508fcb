// A workgroup for each few sequences of one direction; their states stay in its shared memory.

#include <algorithm>
#include <bit>
#include <thread>

#include "backends/vulkan/conv2d.h"
#include "backends/vulkan/kernels.h"
#include "backends/vulkan/slabs.h"
#include "engine/error.h"
#include "shaders/lstm_backward.spv.h"
#include "shaders/lstm_backward_half.spv.h"
#include "shaders/lstm_backward_lanes.spv.h"
#include "shaders/lstm_backward_lanes_half.spv.h"
#include "shaders/lstm_backward_weight.spv.h"
#include "shaders/lstm_backward_weight_half.spv.h"
#include "shaders/lstm_forward.spv.h"
#include "shaders/lstm_forward_half.spv.h"
#include "shaders/lstm_forward_lanes.spv.h"
#include "shaders/lstm_forward_lanes_half.spv.h"
#include "shaders/sum_slabs.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kForward{"lstm_forward", lstm_forward_spv};
constexpr Shader kForwardHalf{"lstm_forward_half", lstm_forward_half_spv};
constexpr Shader kForwardLanes{"lstm_forward_lanes", lstm_forward_lanes_spv};
constexpr Shader kForwardLanesHalf{"lstm_forward_lanes_half", lstm_forward_lanes_half_spv};
constexpr Shader kBackward{"lstm_backward", lstm_backward_spv};
constexpr Shader kBackwardHalf{"lstm_backward_half", lstm_backward_half_spv};
constexpr Shader kBackwardLanes{"lstm_backward_lanes", lstm_backward_lanes_spv};
constexpr Shader kBackwardLanesHalf{"lstm_backward_lanes_half", lstm_backward_lanes_half_spv};
constexpr Shader kBackwardWeight{"lstm_backward_weight", lstm_backward_weight_spv};
constexpr Shader kBackwardWeightHalf{"lstm_backward_weight_half", lstm_backward_weight_half_spv};
constexpr Shader kSumSlabs{"sum_slabs", sum_slabs_spv};

struct Push {
  std::uint32_t batch, steps, directions, reverse;
};
struct WeightPush {
  std::uint32_t batch, steps, directions, hidden, reverse, slab, slabs;
};
struct SumPush {
  std::uint32_t count, slabs, first_count, second_count;
};

struct Work {
  Push push;
  std::uint32_t hidden, together;  // sequences of a workgroup
  Grid grid;
};

// Those of all drivers on the processor have at most 16 lanes.
std::uint32_t whole_subgroups(std::uint32_t lanes) { return (lanes + 15) / 16 * 16; }

// As many workgroups as the processor has cores, and no sequence alone where there are more.
std::uint32_t sequences_together(const Push& push) {
  const std::uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  return std::clamp(std::bit_ceil(push.batch * push.directions / cores), 1u, 8u);
}

Work work_of(const LstmGeometry& g, const Plan& plan) {
  const VkPhysicalDeviceLimits& limits = plan.device().limits();
  Work work;
  work.push = {narrow(g.batch), narrow(g.steps), narrow(g.directions), g.reverse};
  work.hidden = narrow(g.hidden);
  // Several sequences share each weight that is read; a GPU has too many processors for many of them.
  const std::uint32_t bytes = 6 * work.hidden * sizeof(float),
                      room = limits.maxComputeSharedMemorySize / bytes;
  if (room == 0)
    throw Error(
        "an LSTM of {} units needs {} bytes of shared memory, and the device has {}; use a smaller one, or "
        "the device 'cpu'",
        g.hidden, bytes, limits.maxComputeSharedMemorySize);
  work.together = std::min(room, plan.device().is_cpu() ? sequences_together(work.push) : 1u);
  const std::uint32_t lanes =
      std::min({limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0], 256u});
  work.grid = {std::uint64_t{(work.push.batch + work.together - 1) / work.together} * work.push.directions,
               std::min(lanes, whole_subgroups(work.hidden))};
  return work;
}

void plan_weight(const LstmBackward& k, const Work& work, Plan& plan) {
  const std::uint32_t weights = count_of(k.grad_w_hh);
  const Slabs slabs = cut(work.push.batch, 4);
  const Place partial = plan.scratch(std::size_t{weights} * slabs.count * sizeof(float));
  const std::int64_t blocks = std::int64_t{work.push.directions} * ((work.hidden + 3) / 4) * work.hidden;
  plan.dispatch(plan.half() ? kBackwardWeightHalf : kBackwardWeight,
                {in(k.output), in(k.grad_gates_in), out(partial)},
                WeightPush{work.push.batch, work.push.steps, work.push.directions, work.hidden,
                           work.push.reverse, slabs.size, slabs.count},
                one_each(blocks * slabs.count));
  plan.dispatch(kSumSlabs, {in(partial), out(k.grad_w_hh), out(Place{})},
                SumPush{weights, slabs.count, weights, 0}, one_each(weights));
}

// The gradient in each direction's weight is that of a convolution along time, whose window is the step
// before; what lies past a sequence's end is zero in both operands. False where a direction's part of an
// operand begins where the device cannot bind it.
bool plan_weight_as_convolution(const LstmBackward& k, Plan& plan) {
  const Place states = place_of(k.output), gates = place_of(k.grad_gates_in), weight = place_of(k.grad_w_hh);
  const std::size_t hidden = static_cast<std::size_t>(k.geometry.hidden);
  const std::size_t directions = static_cast<std::size_t>(k.geometry.directions);
  const VkPhysicalDeviceLimits& limits = plan.device().limits();
  const std::size_t alignment =
      std::max(limits.minStorageBufferOffsetAlignment, limits.minTexelBufferOffsetAlignment);
  if (directions > 1 && hidden * sizeof(float) % alignment != 0) return false;
  Conv2dGeometry g;
  g.batch = k.geometry.batch;
  g.in_height = g.out_height = 1;
  g.in_width = g.out_width = k.geometry.steps;
  g.in_channels = k.geometry.hidden;
  g.out_channels = 4 * k.geometry.hidden;
  const auto from = [](const Place& whole, std::size_t first) {
    return Place{whole.buffer, whole.offset + first * sizeof(float), whole.bytes - first * sizeof(float)};
  };
  for (std::size_t d = 0; d < directions; ++d) {
    const bool backward = directions == 2 ? d == 1 : k.geometry.reverse;
    g.window.pad_left = backward ? -1 : 1;
    Place part = from(weight, d * 4 * hidden * hidden);
    part.bytes = 4 * hidden * hidden * sizeof(float);
    plan_weight_tiles(
        g, from(states, d * hidden), from(gates, d * 4 * hidden), part, {}, plan,
        {static_cast<std::int64_t>(directions * hidden), static_cast<std::int64_t>(4 * directions * hidden)});
  }
  return true;
}

}  // namespace

void plan(const LstmForward& k, Plan& plan) {
  require_f32(k.output);
  count_of(k.gates_in), count_of(k.w_hh);
  const Work work = work_of(k.geometry, plan);
  const Place gates_in = place_of(k.gates_in), w_hh = place_of(k.w_hh);
  const bool lanes = work.hidden % 4 == 0 && plan.lanes_fit(gates_in, true) && plan.lanes_fit(w_hh, true);
  if (plan.choose({Family::lstm_forward, work.hidden, work.hidden},
                  {{Variant::lanes, lanes}, {Variant::shared}}) != Variant::lanes) {
    plan.dispatch(
        plan.half() ? kForwardHalf : kForward,
        {in(gates_in), factors_in_fours(w_hh, plan), in(k.frames), out(k.output), out(k.gates), out(k.cells)},
        work.push, work.grid, {work.together, work.hidden, bool(k.frames), bool(k.gates)});
    return;
  }
  const Grid grid{work.grid.groups, std::min(work.grid.local, whole_subgroups(work.hidden / 4))};
  plan.dispatch(
      plan.half() ? kForwardLanesHalf : kForwardLanes,
      {texels(gates_in, true), factors_as_texels(w_hh, true, plan), in(k.frames), out(k.output), out(k.gates),
       out(k.cells)},
      work.push, grid,
      {work.together, work.hidden, bool(k.frames), bool(k.gates), plan.device().physical().shuffle_lanes});
}

void plan(const LstmBackward& k, Plan& plan) {
  require_f32(k.output);
  count_of(k.grad_gates_in), count_of(k.w_hh);
  const Work work = work_of(k.geometry, plan);
  const bool lanes = plan.choose({Family::lstm_backward, work.hidden, work.hidden},
                                 {{Variant::lanes, plan.lanes_fit(place_of(k.w_hh), true)},
                                  {Variant::shared}}) == Variant::lanes;
  const Shader& shader = plan.half() ? lanes ? kBackwardLanesHalf : kBackwardHalf
                         : lanes     ? kBackwardLanes
                                     : kBackward;
  const Operand weight =
      lanes ? factors_as_texels(place_of(k.w_hh), true, plan) : factors_in_fours(place_of(k.w_hh), plan);
  for (const Run& run : plan.runs(k.geometry.batch, {bytes_of_image(k.gates), bytes_of_image(k.frames),
                                                     bytes_of_image(k.cells), bytes_of_image(k.output)})) {
    LstmGeometry some = k.geometry;
    some.batch = static_cast<int>(run.count);
    const Work part = work_of(some, plan);
    plan.dispatch(shader,
                  {weight, in(images(k.frames, run)), in(images(k.gates, run)), in(images(k.cells, run)),
                   in(images(k.grad_output, run)), out(images(k.grad_gates_in, run))},
                  part.push, part.grid,
                  {part.together, part.hidden, bool(k.frames), plan.device().physical().shuffle_lanes});
  }
  if (!k.grad_w_hh) return;

  if (!plan_weight_as_convolution(k, plan)) plan_weight(k, work, plan);
}

}  // namespace tapeline::vulkan
