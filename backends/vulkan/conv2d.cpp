// Convolutions without groups go to one of the tiled shaders (variants.h): `lanes` on drivers on the
// processor, `shared` on GPUs. They sum every element in the same order, as the plain ones do that take
// groups, so whichever is chosen, the bits are the same. `cooperative` is for fp16 on GPUs, whose units sum
// in an order of their own.

#include "backends/vulkan/conv2d.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "backends/vulkan/kernels.h"
#include "backends/vulkan/slabs.h"
#include "shaders/conv2d_backward_input.spv.h"
#include "shaders/conv2d_backward_weight.spv.h"
#include "shaders/conv2d_cooperative.spv.h"
#include "shaders/conv2d_cooperative_weight.spv.h"
#include "shaders/conv2d_forward.spv.h"
#include "shaders/conv2d_lanes.spv.h"
#include "shaders/conv2d_lanes_weight.spv.h"
#include "shaders/conv2d_shared.spv.h"
#include "shaders/conv2d_shared_half.spv.h"
#include "shaders/conv2d_shared_weight.spv.h"
#include "shaders/conv2d_shared_weight_half.spv.h"
#include "shaders/sum_slabs.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kForward{"conv2d_forward", conv2d_forward_spv};
constexpr Shader kBackwardInput{"conv2d_backward_input", conv2d_backward_input_spv};
constexpr Shader kBackwardWeight{"conv2d_backward_weight", conv2d_backward_weight_spv};
constexpr Shader kCooperative{"conv2d_cooperative", conv2d_cooperative_spv};
constexpr Shader kCooperativeWeight{"conv2d_cooperative_weight", conv2d_cooperative_weight_spv};
constexpr Shader kLanes{"conv2d_lanes", conv2d_lanes_spv};
constexpr Shader kLanesWeight{"conv2d_lanes_weight", conv2d_lanes_weight_spv};
constexpr Shader kShared{"conv2d_shared", conv2d_shared_spv};
constexpr Shader kSharedHalf{"conv2d_shared_half", conv2d_shared_half_spv};
constexpr Shader kSharedWeight{"conv2d_shared_weight", conv2d_shared_weight_spv};
constexpr Shader kSharedWeightHalf{"conv2d_shared_weight_half", conv2d_shared_weight_half_spv};
constexpr Shader kSumSlabs{"sum_slabs", sum_slabs_spv};

struct Push {
  std::int32_t batch;
  std::int32_t in_height, in_width, in_channels;
  std::int32_t out_height, out_width, out_channels;
  std::int32_t groups;
  Window2d window;
  float slope;
  std::uint32_t slab, slabs;
  std::uint32_t in_pitch, out_pitch;
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
          1,
          narrow(g.in_channels),
          narrow(g.out_channels)};
}

std::uint32_t positions_of(const Conv2dGeometry& g) {
  return narrow(std::int64_t{g.batch} * g.out_height * g.out_width);
}

std::uint32_t weights_of(const Conv2dGeometry& g) {
  return narrow(std::int64_t{g.window.height} * g.window.width * (g.in_channels / g.groups) * g.out_channels);
}

// Channels that come in fours are loaded and stored so.
bool in_fours(std::int64_t channels) { return channels % 4 == 0; }

std::uint32_t divide(std::uint32_t things, std::uint32_t each) { return (things + each - 1) / each; }

Task task_of(Family family, const Conv2dGeometry& g) {
  return {family, std::int64_t{g.window.height} * g.window.width * g.in_channels, g.out_channels};
}

/// A workgroup of `lanes` invocations computes `rows` by `fours` * 4 * lanes elements.
struct LanesTile {
  std::uint32_t lanes, fours, blocks;
};

LanesTile lanes_tile(const Plan& plan, int out_channels) {
  const std::uint32_t lanes = plan.device().physical().shuffle_lanes;
  const std::uint32_t blocks = divide(divide(narrow(out_channels), 4), lanes);
  const std::uint32_t fours = blocks % 2 == 0 || blocks > 4 ? 2 : 1;  // more fill the registers
  return {lanes, fours, divide(blocks, fours)};
}

// Rows of a workgroup: many share the weights that are loaded, which takes as long as four rows, and few
// leave less of the last workgroup idle.
std::uint32_t lanes_rows(std::uint32_t positions) {
  std::uint32_t best = 16;
  const auto cost = [&](std::uint32_t rows) { return std::uint64_t{divide(positions, rows)} * (rows + 4); };
  for (const std::uint32_t rows : {12u, 8u})
    if (cost(rows) < cost(best)) best = rows;
  return best;
}

void dispatch_lanes(const Conv2dGeometry& g, bool backward, const Place& input, const Place& weight,
                    const Place& output, const ProductEnd& end, Push push, Plan& plan) {
  const LanesTile tile = lanes_tile(plan, g.out_channels);
  const std::uint32_t rows = lanes_rows(positions_of(g));
  plan.dispatch(kLanes,
                {factors_as_texels(input, in_fours(g.in_channels), plan),
                 factors_as_texels(weight, in_fours(g.out_channels), plan), end.bias,
                 end.accumulate ? both(output) : out(output)},
                push, {std::uint64_t{divide(positions_of(g), rows)} * tile.blocks, tile.lanes},
                {number(end.activation.kind), end.bias.place.bytes > 0, end.accumulate, backward,
                 in_fours(g.in_channels), in_fours(g.out_channels), tile.fours, rows});
}

void dispatch_shared(const Conv2dGeometry& g, bool backward, const Place& input, const Place& weight,
                     const Place& output, const ProductEnd& end, Push push, bool low, Plan& plan) {
  constexpr std::uint64_t kEnough = 256;  // workgroups, of which a GPU runs many at a time
  const std::uint32_t blocks = divide(narrow(g.out_channels), 64);
  const std::uint32_t tall = low || std::uint64_t{divide(positions_of(g), 64)} * blocks < kEnough ? 4 : 8;
  plan.dispatch(plan.half() ? kSharedHalf : kShared,
                {in(input), in(weight), end.bias, end.accumulate ? both(output) : out(output)}, push,
                {std::uint64_t{divide(positions_of(g), tall * 8)} * blocks, 64},
                {number(end.activation.kind), end.bias.place.bytes > 0, end.accumulate, backward,
                 in_fours(g.in_channels), in_fours(g.out_channels), tall});
}

// The first choice of a GPU, and the last where the processor plays one. They take channels that fill
// matrices, and nothing that the batch decides, since the bits are others than those of the other tiles.
std::pair<Candidate, Candidate> cooperative_candidates(const Conv2dGeometry& g, const Plan& plan) {
  constexpr int kFewest = 8;
  const LogicalDevice& device = plan.device();
  const bool fits = device.precision() == Precision::fp16 && device.physical().cooperative &&
                    g.in_channels >= kFewest && g.out_channels >= kFewest;
  return {{Variant::cooperative, fits && !device.is_cpu()}, {Variant::cooperative, fits}};
}

/// A workgroup's tile, and how a subgroup fills its part of it.
struct CooperativeTile {
  const CooperativeMatrix& matrix;
  std::uint32_t rows, down, across;
};

CooperativeTile cooperative_tile(const Plan& plan, std::uint64_t rows, std::uint32_t outputs) {
  using Matrix = CooperativeMatrix;
  constexpr std::uint64_t kEnough = 256;  // workgroups, as above
  const Matrix& matrix = plan.device().physical().cooperative;
  const bool many = rows / Matrix::kTallRows * divide(outputs, Matrix::kColumns) >= kEnough,
             room =
                 matrix.shared_bytes(Matrix::kTallRows) <= plan.device().limits().maxComputeSharedMemorySize;
  const std::uint32_t height = many && room ? Matrix::kTallRows : Matrix::kRows;
  return {matrix, height, height / 2 / matrix.rows, Matrix::kColumns / 2 / matrix.columns};
}

void dispatch_cooperative(const Conv2dGeometry& g, bool backward, const Place& input, const Place& weight,
                          const Place& output, const ProductEnd& end, Push push, Plan& plan) {
  const std::uint32_t outputs = narrow(g.out_channels);
  const auto [matrix, rows, down, across] = cooperative_tile(plan, positions_of(g), outputs);
  const std::uint32_t deep = std::max(matrix.deep, g.in_channels > 16 ? CooperativeMatrix::kMostDeep : 16u);
  plan.dispatch(kCooperative, {in(input), in(weight), end.bias, end.accumulate ? both(output) : out(output)},
                push,
                {std::uint64_t{divide(positions_of(g), rows)} * divide(outputs, CooperativeMatrix::kColumns),
                 matrix.invocations(), matrix.subgroup},
                {number(end.activation.kind), end.bias.place.bytes > 0, end.accumulate, backward,
                 in_fours(g.in_channels), in_fours(g.out_channels), matrix.rows, matrix.columns, matrix.deep,
                 down, across, deep});
}

void dispatch_tiles(const Conv2dGeometry& g, bool backward, const Place& input, const Place& weight,
                    const Place& output, const ProductEnd& end, Plan& plan) {
  Push push = push_of(g);
  push.slope = end.activation.slope;
  const bool lanes =
      plan.lanes_fit(input, in_fours(g.in_channels)) && plan.lanes_fit(weight, in_fours(g.out_channels));
  const auto [first, last] = cooperative_candidates(g, plan);
  const Variant chosen =
      plan.choose(task_of(Family::product, g),
                  {first, {Variant::lanes, lanes}, {Variant::shared}, {Variant::shared_32}, last});
  if (chosen == Variant::cooperative)
    return dispatch_cooperative(g, backward, input, weight, output, end, push, plan);
  if (chosen == Variant::lanes) return dispatch_lanes(g, backward, input, weight, output, end, push, plan);
  dispatch_shared(g, backward, input, weight, output, end, push, chosen == Variant::shared_32, plan);
}

// Slabs of positions for the gradient in the weight: few where there are many weights, since each slab holds
// them all.
Slabs weight_slabs(const Conv2dGeometry& g) {
  constexpr std::uint32_t kMostPartial = 1u << 21;  // floats
  const std::uint32_t positions = positions_of(g);
  const std::uint32_t most = std::max(1u, kMostPartial / std::max(1u, weights_of(g)));
  return cut(positions, std::max(256u, divide(positions, most)));
}

/// Some images of a gradient in the weight, or, where it is one of matrices, some positions.
struct WeightPart {
  Place input, grad_output;
  Push push;
  std::uint32_t first_slab;
};

struct WeightParts {
  std::vector<WeightPart> parts;
  std::uint32_t slabs = 0;  // of all
};

/// One part where shaders reach the operands, whose pixels lie so many floats apart.
WeightParts weight_parts(const Conv2dGeometry& g, const Place& input, const Place& grad_output,
                         const Pitches& pitches, const Plan& plan) {
  const bool matrix = g.batch == 1 && g.in_height == 1 && g.window.height * g.window.width == 1;
  const auto row_bytes = [&](int height, int width, std::int64_t pitch) {
    return (matrix ? 1 : std::size_t(height) * std::size_t(width)) * std::size_t(pitch) * sizeof(float);
  };
  const std::size_t in_row = row_bytes(g.in_height, g.in_width, pitches.input),
                    out_row = row_bytes(g.out_height, g.out_width, pitches.output);
  const auto runs = plan.runs(matrix ? g.in_width : g.batch, {in_row, out_row});
  WeightParts made;
  for (const Run& run : runs) {
    Conv2dGeometry some = g;
    if (matrix)
      some.in_width = some.out_width = static_cast<int>(run.count);
    else
      some.batch = static_cast<int>(run.count);
    Slabs slabs = weight_slabs(some);
    if (runs.size() > 1)
      slabs = plan.whole_slabs(slabs, std::size_t{weights_of(g) + narrow(g.out_channels)} * sizeof(float));
    Push push = push_of(some);
    push.slab = slabs.size;
    push.slabs = slabs.count;
    push.in_pitch = narrow(pitches.input);
    push.out_pitch = narrow(pitches.output);
    made.parts.push_back({rows_of(input, in_row, run), rows_of(grad_output, out_row, run), push, made.slabs});
    made.slabs += slabs.count;
  }
  return made;
}

void sum_slabs(const Place& partial, std::uint32_t slabs, std::uint32_t weights, std::uint32_t outputs,
               const Place& grad_weight, const Place& grad_bias, Plan& plan) {
  const std::uint32_t biases = grad_bias.bytes > 0 ? outputs : 0;
  plan.dispatch(kSumSlabs, {in(partial), out(grad_weight), out(grad_bias)},
                SumPush{weights + outputs, slabs, weights, biases}, one_each(weights + biases));
}

// Tiles take the gradient in the bias for a product with ones, but it is a sum, and not of rounded factors.
void plan_bias(const Conv2dBackwardWeight& k, Plan& plan) {
  Reduce sum;
  sum.input = k.grad_output;
  sum.output = k.grad_bias;
  const std::int64_t outputs = k.geometry.out_channels, positions = k.grad_output.elements() / outputs;
  sum.input.shape = {positions, outputs};
  sum.output.shape = {1, outputs};
  tapeline::vulkan::plan(sum, plan);
}

}  // namespace

void plan_tiles(const Conv2dGeometry& g, const Place& input, const Place& weight, const Place& output,
                const ProductEnd& end, Plan& plan) {
  dispatch_tiles(g, false, input, weight, output, end, plan);
}

void plan_tiles_backward(const Conv2dGeometry& g, const Place& grad_output, const Place& weight,
                         const Place& grad_input, const ProductEnd& end, Plan& plan) {
  // [window, C, O] to [window, O, C].
  const Place turned = plan.scratch(std::size_t{weights_of(g)} * sizeof(float));
  plan_turn(weight, turned, g.window.height * g.window.width, g.in_channels, g.out_channels, plan);
  Conv2dGeometry back = g;
  std::swap(back.in_height, back.out_height);
  std::swap(back.in_width, back.out_width);
  std::swap(back.in_channels, back.out_channels);
  dispatch_tiles(back, true, grad_output, turned, grad_input, end, plan);
}

void plan_weight_tiles(const Conv2dGeometry& g, const Place& input, const Place& grad_output,
                       const Place& grad_weight, const Place& grad_bias, Plan& plan, const Pitches& pitches) {
  const std::uint32_t outputs = narrow(g.out_channels), inputs = narrow(g.in_channels),
                      weights = weights_of(g);
  const std::uint32_t windows = narrow(std::int64_t{g.window.height} * g.window.width);
  const WeightParts parts = weight_parts(g, input, grad_output,
                                         {pitches.input > 0 ? pitches.input : g.in_channels,
                                          pitches.output > 0 ? pitches.output : g.out_channels},
                                         plan);
  // The rows of the biases come last, and are left out where nobody wants them.
  const bool direct = parts.slabs == 1;
  const Place partial =
      direct ? grad_weight : plan.scratch(std::size_t{weights + outputs} * parts.slabs * sizeof(float));
  const Place bias = direct ? grad_bias : Place{};
  const auto [first, last] = cooperative_candidates(g, plan);
  for (const WeightPart& part : parts.parts) {
    const auto groups = [&](std::uint32_t rows, std::uint32_t blocks) {
      const std::uint64_t of_weights = std::uint64_t{windows} * divide(inputs, rows);
      return direct ? (of_weights + (grad_bias.bytes > 0)) * blocks
                    : (of_weights + 1) * blocks * part.push.slabs;
    };
    const Place sums = direct ? partial
                              : rows_of(partial, std::size_t{weights + outputs} * sizeof(float),
                                        {part.first_slab, part.push.slabs});
    const bool input_fours = in_fours(part.push.in_pitch | inputs),
               output_fours = in_fours(part.push.out_pitch | outputs);
    const bool lanes =
        plan.lanes_fit(part.input, input_fours) && plan.lanes_fit(part.grad_output, output_fours);
    const Variant chosen = plan.choose(task_of(Family::weight_gradient, g),
                                       {first, {Variant::lanes, lanes}, {Variant::shared}, last});
    if (chosen == Variant::lanes) {
      const LanesTile tile = lanes_tile(plan, g.out_channels);
      const std::uint32_t eights = inputs >= 16 ? 2 : 1;
      plan.dispatch(kLanesWeight,
                    {factors_as_texels(part.input, input_fours, plan),
                     factors_as_texels(part.grad_output, output_fours, plan), out(sums), out(bias)},
                    part.push, {groups(eights * 8, tile.blocks), tile.lanes},
                    {input_fours, output_fours, direct, tile.fours, eights});
    } else if (chosen == Variant::cooperative) {
      const std::uint64_t rows = std::uint64_t{windows} * inputs * parts.slabs;
      const auto [matrix, height, down, across] = cooperative_tile(plan, inputs > 64 ? rows : 0, outputs);
      plan.dispatch(kCooperativeWeight, {in(part.input), in(part.grad_output), out(sums), out(bias)},
                    part.push,
                    {groups(height, divide(outputs, CooperativeMatrix::kColumns)), matrix.invocations(),
                     matrix.subgroup},
                    {input_fours, output_fours, direct, 0, 0, 0, matrix.rows, matrix.columns, matrix.deep,
                     down, across, CooperativeMatrix::kMostDeep});
    } else {
      plan.dispatch(plan.half() ? kSharedWeightHalf : kSharedWeight,
                    {in(part.input), in(part.grad_output), out(sums), out(bias)}, part.push,
                    {groups(64, divide(outputs, 64)), 64}, {input_fours, output_fours, direct});
    }
  }
  if (!direct) sum_slabs(partial, parts.slabs, weights, outputs, grad_weight, grad_bias, plan);
}

void plan(const Conv2dForward& k, Plan& plan) {
  require_f32(k.output);
  count_of(k.input), count_of(k.output);
  if (k.geometry.groups == 1)
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
  if (k.geometry.groups == 1)
    return plan_tiles_backward(k.geometry, place_of(k.grad_output), place_of(k.weight),
                               place_of(k.grad_input), {}, plan);
  plan.dispatch(kBackwardInput, {in(k.grad_output), in(k.weight), out(k.grad_input)}, push_of(k.geometry),
                one_each(k.grad_input.elements()));
}

void plan(const Conv2dBackwardWeight& k, Plan& plan) {
  require_f32(k.grad_weight);
  count_of(k.input);
  if (k.geometry.groups == 1) {
    if (k.grad_bias && plan.half()) plan_bias(k, plan);
    return plan_weight_tiles(k.geometry, place_of(k.input), place_of(k.grad_output), place_of(k.grad_weight),
                             plan.half() ? Place{} : place_of(k.grad_bias), plan);
  }
  const std::uint32_t outputs = narrow(k.geometry.out_channels), weights = weights_of(k.geometry);
  const std::uint32_t all = weights + outputs;
  const WeightParts parts = weight_parts(k.geometry, place_of(k.input), place_of(k.grad_output),
                                         {k.geometry.in_channels, k.geometry.out_channels}, plan);
  const Place partial = plan.scratch(std::size_t{all} * parts.slabs * sizeof(float));
  for (const WeightPart& part : parts.parts)
    plan.dispatch(
        kBackwardWeight,
        {in(part.input), in(part.grad_output),
         out(rows_of(partial, std::size_t{all} * sizeof(float), {part.first_slab, part.push.slabs}))},
        part.push, one_each(std::int64_t{all} * part.push.slabs));
  sum_slabs(partial, parts.slabs, weights, outputs, place_of(k.grad_weight), place_of(k.grad_bias), plan);
}

}  // namespace tapeline::vulkan
