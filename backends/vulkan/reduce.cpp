#include "backends/vulkan/axes.h"
#include "backends/vulkan/kernels.h"
#include "backends/vulkan/slabs.h"
#include "shaders/reduce.spv.h"
#include "shaders/reduce_finish.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kReduce{"reduce", reduce_spv};
constexpr Shader kFinish{"reduce_finish", reduce_finish_spv};

struct Push {
  std::uint32_t outputs, terms, slab, slabs;
  std::array<std::uint32_t, Shape::kMaxRank> kept_extents;
  std::array<std::int32_t, Shape::kMaxRank> kept_strides;
  std::array<std::uint32_t, Shape::kMaxRank> reduced_extents;
  std::array<std::int32_t, Shape::kMaxRank> reduced_strides;
};
struct FinishPush {
  std::uint32_t outputs, terms, slabs;
};

}  // namespace

void plan(const Reduce& k, Plan& plan) {
  require_f32(k.output);
  count_of(k.input);
  const Shape &from = k.input.shape, &to = k.output.shape;
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int i = from.rank() - 1; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = stride;
    stride *= from[i];
  }
  Axes<1> kept, reduced;
  std::int64_t terms = 1;
  for (int i = 0; i < from.rank(); ++i) {
    const bool gone = to[i] == 1 && from[i] != 1;
    if (gone) terms *= from[i];
    (gone ? reduced : kept).add(from[i], {strides[static_cast<std::size_t>(i)]});
  }
  const std::uint32_t outputs = count_of(k.output);
  const Slabs slabs = cut(narrow(terms), 64);
  const bool final = slabs.count == 1;
  const Place partial =
      final ? Place{} : plan.scratch(std::size_t{outputs} * slabs.count * 2 * sizeof(float));
  plan.dispatch(kReduce, {in(k.input), out(partial), final ? out(k.output) : out(Place{})},
                Push{outputs, narrow(terms), slabs.size, slabs.count, kept.extents, kept.strides[0],
                     reduced.extents, reduced.strides[0]},
                one_each(std::int64_t{outputs} * slabs.count),
                {number(k.kind), static_cast<std::uint32_t>(kept.rank),
                 static_cast<std::uint32_t>(reduced.rank), final});
  if (!final)
    plan.dispatch(kFinish, {in(partial), out(k.output)}, FinishPush{outputs, narrow(terms), slabs.count},
                  one_each(outputs), {number(k.kind)});
}

}  // namespace tapeline::vulkan
