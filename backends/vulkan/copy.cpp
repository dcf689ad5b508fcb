// Operands larger than shaders reach: a box is halved, along the axis along which it goes farthest in such an
// operand, until what it touches of both is within reach.

#include <cstdlib>
#include <numeric>

#include "backends/vulkan/axes.h"
#include "backends/vulkan/kernels.h"
#include "shaders/copy.spv.h"
#include "shaders/turn_lanes.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kCopy{"copy", copy_spv};
constexpr Shader kTurnLanes{"turn_lanes", turn_lanes_spv};

struct Push {
  std::uint32_t count;
  std::int32_t from_start, to_start;
  std::array<std::uint32_t, Shape::kMaxRank> extents;
  std::array<std::int32_t, Shape::kMaxRank> from_strides, to_strides;
};

struct TurnPush {
  std::uint32_t count, rows, columns;
};

using Strides = std::array<std::int64_t, Shape::kMaxRank>;

/// One operand of a copy, or as much of it as a box touches, if it is larger than shaders reach.
struct Side {
  Place place;
  std::int64_t start = 0;
  bool fits = false;
  int longest = 0;  // the axis along which the box goes farthest in it
};

Side side_of(const View& view, const Shape& box, const Strides& strides, std::int64_t start,
             const VkPhysicalDeviceLimits& limits) {
  Side side{place_of(view), start, view.bytes() <= limits.maxStorageBufferRange};
  if (side.fits) return side;
  std::int64_t first = start, last = start, farthest = 0;
  for (int i = 0; i < box.rank(); ++i) {
    const std::int64_t way = (box[i] - 1) * strides[static_cast<std::size_t>(i)];
    (way < 0 ? first : last) += way;
    if (std::abs(way) > farthest) farthest = std::abs(way), side.longest = i;
  }
  const std::size_t bytes = size_of(view.dtype),
                    alignment = std::lcm<std::size_t>(limits.minStorageBufferOffsetAlignment, 8);
  const std::size_t skipped = static_cast<std::size_t>(first) * bytes / alignment * alignment;
  const std::size_t words = (static_cast<std::size_t>(last + 1) * bytes - skipped + 3) / 4 * 4;
  side.place = {side.place.buffer, side.place.offset + skipped, std::min(words, side.place.bytes - skipped)};
  side.start -= static_cast<std::int64_t>(skipped / bytes);
  side.fits = words <= limits.maxStorageBufferRange;
  return side;
}

void plan_box(const Copy& k, const Shape& box, std::int64_t input_start, std::int64_t output_start,
              Plan& plan) {
  const VkPhysicalDeviceLimits& limits = plan.device().limits();
  const Side input = side_of(k.input, box, k.input_strides, input_start, limits),
             output = side_of(k.output, box, k.output_strides, output_start, limits);
  if (!input.fits || !output.fits) {
    const auto axis = static_cast<std::size_t>(input.fits ? output.longest : input.longest);
    std::array<std::int64_t, Shape::kMaxRank> extents{};
    std::copy(box.begin(), box.end(), extents.begin());
    const auto halve = [&](std::int64_t first, std::int64_t count) {
      extents[axis] = count;
      plan_box(k, Shape(std::span<const std::int64_t>(extents).first(static_cast<std::size_t>(box.rank()))),
               input_start + first * k.input_strides[axis], output_start + first * k.output_strides[axis],
               plan);
    };
    const std::int64_t extent = extents[axis];
    halve(0, extent / 2);
    halve(extent / 2, extent - extent / 2);
    return;
  }
  Axes<2> axes;
  for (int i = 0; i < box.rank(); ++i) {
    const auto axis = static_cast<std::size_t>(i);
    axes.add(box[i], {k.input_strides[axis], k.output_strides[axis]});
  }
  const Push push{narrow(box.elements()),
                  static_cast<std::int32_t>(input.start),
                  static_cast<std::int32_t>(output.start),
                  axes.extents,
                  axes.strides[0],
                  axes.strides[1]};
  plan.dispatch(kCopy, {in(input.place), both(output.place)}, push, one_each(box.elements()),
                {static_cast<std::uint32_t>(size_of(k.output.dtype)), static_cast<std::uint32_t>(axes.rank),
                 k.accumulate});
}

}  // namespace

void plan(const Copy& k, Plan& plan) {
  if (k.accumulate) require_f32(k.output);
  count_of(k.input), count_of(k.output);  // must be countable
  if (k.box.elements() > 0) plan_box(k, k.box, k.input_start, k.output_start, plan);
}

void plan_turn(const Place& from, const Place& to, std::int64_t count, std::int64_t rows,
               std::int64_t columns, Plan& plan) {
  const bool lanes = rows % 4 == 0 && columns % 4 == 0 && plan.lanes_fit(from, true);
  if (plan.choose({Family::turn, rows, columns}, {{Variant::lanes, lanes}, {Variant::shared}}) ==
      Variant::lanes) {
    plan.dispatch(kTurnLanes, {texels(from, true), out(to)},
                  TurnPush{narrow(count), narrow(rows / 4), narrow(columns / 4)},
                  one_each(count * rows * columns / 16));
    return;
  }
  Axes<2> axes;
  axes.add(count, {rows * columns, rows * columns});
  axes.add(columns, {1, rows});
  axes.add(rows, {columns, 1});
  const Push push{narrow(count * rows * columns), 0, 0, axes.extents, axes.strides[0], axes.strides[1]};
  plan.dispatch(kCopy, {in(from), out(to)}, push, one_each(push.count),
                {4, static_cast<std::uint32_t>(axes.rank), false});
}

}  // namespace tapeline::vulkan
