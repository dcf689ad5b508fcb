// Most convolutions go to the tiled shaders; groups, and channels that do not come in fours, to the plain
// ones.

#include "backends/vulkan/conv2d.h"

#include <utility>

#include "backends/vulkan/kernels.h"
#include "backends/vulkan/slabs.h"
#include "shaders/conv2d_backward_input.spv.h"
#include "shaders/conv2d_backward_weight.spv.h"
#include "shaders/conv2d_forward.spv.h"
#include "shaders/conv2d_lanes.spv.h"
#include "shaders/conv2d_tile.spv.h"
#include "shaders/conv2d_tile_weight.spv.h"
#include "shaders/sum_slabs.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kForward{"conv2d_forward", conv2d_forward_spv};
constexpr Shader kBackwardInput{"conv2d_backward_input", conv2d_backward_input_spv};
constexpr Shader kBackwardWeight{"conv2d_backward_weight", conv2d_backward_weight_spv};
constexpr Shader kLanes{"conv2d_lanes", conv2d_lanes_spv};
constexpr Shader kTile{"conv2d_tile", conv2d_tile_spv};
constexpr Shader kTileWeight{"conv2d_tile_weight", conv2d_tile_weight_spv};
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

constexpr std::uint32_t kTilePositions = 8, kTileLanes = 16;

std::uint32_t positions_of(const Conv2dGeometry& g) {
  return narrow(std::int64_t{g.batch} * g.out_height * g.out_width);
}

std::uint32_t weights_of(const Conv2dGeometry& g) {
  return narrow(std::int64_t{g.window.height} * g.window.width * (g.in_channels / g.groups) * g.out_channels);
}

// Input channels that come in fours are loaded so.
bool in_fours(int channels) { return channels % 4 == 0; }

std::int64_t blocks_of(int channels) { return (channels / 4 + 1) / 2; }

void dispatch_lanes(const Conv2dGeometry& g, bool backward, const Place& input, const Place& weight,
                    const Place& output, const ProductEnd& end, Plan& plan) {
  constexpr std::uint32_t kRows = 16;
  const std::uint32_t lanes = plan.device().physical().shuffle_lanes;
  const std::uint32_t fours = (narrow(g.out_channels) + 3) / 4, blocks = (fours + lanes - 1) / lanes;
  const std::uint32_t each = blocks % 2 == 0 || blocks > 4 ? 2 : 1;  // fours a lane
  const std::uint64_t tiles =
      (std::uint64_t{positions_of(g)} + kRows - 1) / kRows * ((blocks + each - 1) / each);
  Push push = push_of(g);
  push.slope = end.activation.slope;
  plan.dispatch(kLanes,
                {texels(input, in_fours(g.in_channels)), texels(weight, in_fours(g.out_channels)), end.bias,
                 end.accumulate ? both(output) : out(output)},
                push, {tiles, lanes},
                {number(end.activation.kind), end.bias.place.bytes > 0, end.accumulate, backward,
                 in_fours(g.in_channels), in_fours(g.out_channels), each});
}

void dispatch_tiles(const Conv2dGeometry& g, bool backward, const Place& input, const Place& weight,
                    const Place& output, const ProductEnd& end, Plan& plan) {
  if (plan.lanes_fit(input, in_fours(g.in_channels)) && plan.lanes_fit(weight, in_fours(g.out_channels)))
    return dispatch_lanes(g, backward, input, weight, output, end, plan);
  Push push = push_of(g);
  push.slope = end.activation.slope;
  const std::int64_t tiles =
      (positions_of(g) + kTilePositions - 1) / kTilePositions * blocks_of(g.out_channels);
  plan.dispatch(kTile, {in(input), in(weight), end.bias, end.accumulate ? both(output) : out(output)}, push,
                one_each(tiles, kTileLanes),
                {number(end.activation.kind), end.bias.place.bytes > 0, end.accumulate, backward});
}

void sum_slabs(const Place& partial, std::uint32_t slabs, std::uint32_t weights, std::uint32_t outputs,
               const Place& grad_weight, const Place& grad_bias, Plan& plan) {
  const std::uint32_t biases = grad_bias.bytes > 0 ? outputs : 0;
  plan.dispatch(kSumSlabs, {in(partial), out(grad_weight), out(grad_bias)},
                SumPush{weights + outputs, slabs, weights, biases}, one_each(weights + biases));
}

}  // namespace

bool tiles_fit(std::int64_t channels) { return channels > 0 && channels % 4 == 0; }

void plan_tiles(const Conv2dGeometry& g, const Place& input, const Place& weight, const Place& output,
                const ProductEnd& end, Plan& plan) {
  dispatch_tiles(g, false, input, weight, output, end, plan);
}

void plan_tiles_backward(const Conv2dGeometry& g, const Place& grad_output, const Place& weight,
                         const Place& grad_input, const ProductEnd& end, Plan& plan) {
  // [window, C, O] to [window, O, C].
  const Place turned = plan.scratch(std::size_t{weights_of(g)} * sizeof(float));
  plan_turn(in(weight), out(turned), g.window.height * g.window.width, g.in_channels, g.out_channels, plan);
  Conv2dGeometry back = g;
  std::swap(back.in_height, back.out_height);
  std::swap(back.in_width, back.out_width);
  std::swap(back.in_channels, back.out_channels);
  dispatch_tiles(back, true, grad_output, turned, grad_input, end, plan);
}

void plan_weight_tiles(const Conv2dGeometry& g, const Place& input, const Place& grad_output,
                       const Place& grad_weight, const Place& grad_bias, Plan& plan) {
  const Slabs slabs = cut(positions_of(g), 256);
  Push push = push_of(g);
  push.slab = slabs.size;
  push.slabs = slabs.count;
  const std::uint32_t outputs = narrow(g.out_channels), weights = weights_of(g);
  const Place partial = plan.scratch(std::size_t{weights + outputs} * slabs.count * sizeof(float));
  const std::int64_t row_blocks = in_fours(g.in_channels) ? (g.in_channels + 7) / 8 : g.in_channels;
  const std::int64_t rows = std::int64_t{g.window.height} * g.window.width * row_blocks + 1;
  plan.dispatch(kTileWeight, {in(input), in(grad_output), out(partial)}, push,
                one_each(rows * blocks_of(g.out_channels) * slabs.count, kTileLanes),
                {in_fours(g.in_channels)});
  sum_slabs(partial, slabs.count, weights, outputs, grad_weight, grad_bias, plan);
}

void plan(const Conv2dForward& k, Plan& plan) {
  require_f32(k.output);
  count_of(k.input), count_of(k.output);
  if (k.geometry.groups == 1 && tiles_fit(k.geometry.out_channels))
    return plan_tiles(k.geometry, place_of(k.input), place_of(k.weight), place_of(k.output),
                      {in(k.bias), k.activation, false}, plan);
  Push push = push_of(k.geometry);
  push.slope = k.activation.slope;
  plan.dispatch(kForward, {in(k.input), in(k.weight), in(k.bias), out(k.output)}, push,
                one_each(k.output.elements()), {number(k.activation.kind), bool(k.bias)});
}

void plan(const Conv2dBackwardInput& k, Plan& plan) {
  require_f32(k.grad_input);
  count_of(k.grad_input), count_of(k.grad_output);
  if (k.geometry.groups == 1 && tiles_fit(k.geometry.in_channels))
    return plan_tiles_backward(k.geometry, place_of(k.grad_output), place_of(k.weight),
                               place_of(k.grad_input), {}, plan);
  plan.dispatch(kBackwardInput, {in(k.grad_output), in(k.weight), out(k.grad_input)}, push_of(k.geometry),
                one_each(k.grad_input.elements()));
}

void plan(const Conv2dBackwardWeight& k, Plan& plan) {
  require_f32(k.grad_weight);
  count_of(k.input);
  if (k.geometry.groups == 1 && tiles_fit(k.geometry.out_channels))
    return plan_weight_tiles(k.geometry, place_of(k.input), place_of(k.grad_output), place_of(k.grad_weight),
                             place_of(k.grad_bias), plan);
  Push push = push_of(k.geometry);
  const Slabs slabs = cut(positions_of(k.geometry), 256);
  push.slab = slabs.size;
  push.slabs = slabs.count;
  const std::uint32_t outputs = narrow(k.geometry.out_channels), weights = weights_of(k.geometry);
  const std::uint32_t all = weights + outputs;
  const Place partial = plan.scratch(std::size_t{all} * slabs.count * sizeof(float));
  plan.dispatch(kBackwardWeight, {in(k.input), in(k.grad_output), out(partial)}, push,
                one_each(std::int64_t{all} * slabs.count));
  sum_slabs(partial, slabs.count, weights, outputs, place_of(k.grad_weight), place_of(k.grad_bias), plan);
}

}  // namespace tapeline::vulkan
