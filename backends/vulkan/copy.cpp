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

}  // namespace

void plan(const Copy& k, Plan& plan) {
  if (k.accumulate) require_f32(k.output);
  count_of(k.input), count_of(k.output);  // must be countable
  Axes<2> axes;
  for (int i = 0; i < k.box.rank(); ++i) {
    const auto axis = static_cast<std::size_t>(i);
    axes.add(k.box[i], {k.input_strides[axis], k.output_strides[axis]});
  }
  const Push push{narrow(k.box.elements()),
                  static_cast<std::int32_t>(k.input_start),
                  static_cast<std::int32_t>(k.output_start),
                  axes.extents,
                  axes.strides[0],
                  axes.strides[1]};
  plan.dispatch(kCopy, {in(k.input), both(k.output)}, push, one_each(k.box.elements()),
                {static_cast<std::uint32_t>(size_of(k.output.dtype)), static_cast<std::uint32_t>(axes.rank),
                 k.accumulate});
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
