#include <vector>

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
  const auto gone = [&](int i) { return to[i] == 1 && from[i] != 1; };
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int i = from.rank() - 1; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = stride;
    stride *= from[i];
  }
  // The outermost axes that go are rows, in runs that shaders reach; the rest of an output's terms are those
  // of a row.
  std::int64_t rows = 1, terms = 1;
  int outermost = 0;
  for (; outermost < from.rank() && (gone(outermost) || from[outermost] == 1); ++outermost)
    rows *= from[outermost];
  Axes<1> kept, of_row;
  for (int i = outermost; i < from.rank(); ++i) {
    if (gone(i)) terms *= from[i];
    (gone(i) ? of_row : kept).add(from[i], {strides[static_cast<std::size_t>(i)]});
  }
  const std::size_t row_bytes = rows ? k.input.bytes() / static_cast<std::size_t>(rows) : 0;
  const std::uint32_t outputs = count_of(k.output);
  const std::size_t slab_bytes = std::size_t{outputs} * 2 * sizeof(float);
  const auto runs = plan.runs(rows, {row_bytes});
  std::vector<Slabs> slabs;
  std::uint32_t all = 0;
  for (const Run& run : runs) {
    slabs.push_back(cut(narrow(run.count * terms), 64));
    if (runs.size() > 1) slabs.back() = plan.whole_slabs(slabs.back(), slab_bytes);
    all += slabs.back().count;
  }
  const bool final = all == 1;
  const Place partial = final ? Place{} : plan.scratch(slab_bytes * all);
  std::uint32_t done = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    Axes<1> reduced;
    reduced.add(runs[i].count, {static_cast<std::int64_t>(row_bytes / sizeof(float))});
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(of_row.rank); ++axis)
      reduced.add(of_row.extents[axis], {of_row.strides[0][axis]});
    plan.dispatch(
        kReduce,
        {in(rows_of(place_of(k.input), row_bytes, runs[i])),
         out(rows_of(partial, slab_bytes, {done, slabs[i].count})), final ? out(k.output) : out(Place{})},
        Push{outputs, narrow(runs[i].count * terms), slabs[i].size, slabs[i].count, kept.extents,
             kept.strides[0], reduced.extents, reduced.strides[0]},
        one_each(std::int64_t{outputs} * slabs[i].count),
        {number(k.kind), static_cast<std::uint32_t>(kept.rank), static_cast<std::uint32_t>(reduced.rank),
         final});
    done += slabs[i].count;
  }
  if (!final)
    plan.dispatch(kFinish, {in(partial), out(k.output)}, FinishPush{outputs, narrow(rows * terms), all},
                  one_each(outputs), {number(k.kind)});
}

}  // namespace tapeline::vulkan
