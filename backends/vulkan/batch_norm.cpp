// Training: statistics of slabs of rows, put together channel by channel, then the result. Back: the two sums
// in the same way, then the gradient. Where shaders do not reach all images, first all runs of images are
// summed, then all are written.

#include "backends/vulkan/kernels.h"
#include "backends/vulkan/slabs.h"
#include "shaders/batch_norm_apply.spv.h"
#include "shaders/batch_norm_backward_apply.spv.h"
#include "shaders/batch_norm_backward_finish.spv.h"
#include "shaders/batch_norm_backward_sums.spv.h"
#include "shaders/batch_norm_finish.spv.h"
#include "shaders/batch_norm_statistics.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kApply{"batch_norm_apply", batch_norm_apply_spv};
constexpr Shader kBackwardApply{"batch_norm_backward_apply", batch_norm_backward_apply_spv};
constexpr Shader kBackwardFinish{"batch_norm_backward_finish", batch_norm_backward_finish_spv};
constexpr Shader kBackwardSums{"batch_norm_backward_sums", batch_norm_backward_sums_spv};
constexpr Shader kFinish{"batch_norm_finish", batch_norm_finish_spv};
constexpr Shader kStatistics{"batch_norm_statistics", batch_norm_statistics_spv};

struct Push {
  std::uint32_t rows, height, width, channels;
  std::uint32_t slab, slabs;
  float epsilon, momentum, slope;
};

Push push_of(const View& input, std::int64_t images, const Activation& activation) {
  const Shape& shape = input.shape;
  const std::uint32_t rows = narrow(images * shape[1] * shape[2]);
  const Slabs slabs = cut(rows);
  count_of(input);  // must be countable
  return {rows, narrow(shape[1]), narrow(shape[2]), narrow(shape[3]), slabs.size, slabs.count, 0,
          0,    activation.slope};
}

/// Some images, the slabs that their rows are summed in, and where these sums go.
struct Part {
  Run run;
  Push push;
  Place sums;
};

struct Parts {
  std::vector<Part> parts;
  Place sums;  // of all
  Push all;
};

Parts parts_of(const View& input, const View& widths, const Activation& activation, Plan& plan) {
  const std::size_t slab_bytes = static_cast<std::size_t>(input.shape[3]) * 3 * sizeof(float);
  Parts made;
  made.all = push_of(input, input.shape[0], activation);
  const auto runs = plan.runs(input.shape[0], {bytes_of_image(input), bytes_of_image(widths)});
  if (runs.size() > 1) made.all.slabs = 0;
  for (const Run& run : runs) {
    Part part{run, push_of(input, run.count, activation), {}};
    if (runs.size() > 1) {
      part.push.slabs = plan.whole_slabs({part.push.slab, part.push.slabs}, slab_bytes).count;
      part.sums.offset = made.all.slabs * slab_bytes;
      made.all.slabs += part.push.slabs;
    }
    part.sums.bytes = part.push.slabs * slab_bytes;
    made.parts.push_back(part);
  }
  made.sums = plan.scratch(made.all.slabs * slab_bytes);
  for (Part& part : made.parts)
    part.sums = {made.sums.buffer, made.sums.offset + part.sums.offset, part.sums.bytes};
  return made;
}

}  // namespace

void plan(const BatchNormTraining& k, Plan& plan) {
  require_f32(k.input);
  Parts parts = parts_of(k.input, k.widths, k.activation, plan);
  parts.all.epsilon = k.epsilon;
  parts.all.momentum = k.momentum;
  const bool widths{k.widths};
  for (const auto& [run, push, sums] : parts.parts)
    plan.dispatch(kStatistics, {in(images(k.input, run)), in(images(k.widths, run)), out(sums)}, push,
                  one_each(std::int64_t{push.slabs} * push.channels), {widths});
  plan.dispatch(kFinish,
                {in(parts.sums), both(k.running_mean), both(k.running_variance), out(k.mean), out(k.inv_dev)},
                parts.all, one_each(parts.all.channels), {bool(k.running_mean), bool(k.running_variance)});
  for (const auto& [run, push, sums] : parts.parts)
    plan.dispatch(kApply,
                  {in(images(k.input, run)), in(images(k.widths, run)), in(k.mean), in(k.inv_dev),
                   in(k.scale), in(k.offset), out(images(k.output, run))},
                  push, one_each(std::int64_t{push.rows} * push.channels),
                  {number(k.activation.kind), widths, bool(k.scale), bool(k.offset), false});
}

void plan(const BatchNormInference& k, Plan& plan) {
  require_f32(k.input);
  Push push = push_of(k.input, k.input.shape[0], k.activation);
  push.epsilon = k.epsilon;
  plan.dispatch(kApply,
                {in(k.input), in(k.widths), in(k.running_mean), in(k.running_variance), in(k.scale),
                 in(k.offset), out(k.output)},
                push, one_each(k.output.elements()),
                {number(k.activation.kind), bool(k.widths), bool(k.scale), bool(k.offset), true});
}

void plan(const BatchNormBackward& k, Plan& plan) {
  require_f32(k.input);
  const Parts parts = parts_of(k.input, k.widths, k.activation, plan);
  const Place totals = plan.scratch(std::size_t{parts.all.channels} * 5 * sizeof(float));
  const std::uint32_t activation = k.output ? number(k.activation.kind) : number(ActivationKind::none);
  const bool widths{k.widths};
  for (const auto& [run, push, sums] : parts.parts)
    plan.dispatch(kBackwardSums,
                  {in(images(k.input, run)), in(images(k.widths, run)), in(k.mean), in(k.inv_dev),
                   in(images(k.output, run)), in(images(k.grad_output, run)), out(sums)},
                  push, one_each(std::int64_t{push.slabs} * push.channels), {activation, widths});
  plan.dispatch(kBackwardFinish,
                {in(parts.sums), in(k.mean), in(k.inv_dev), in(k.scale), out(totals), out(k.grad_scale),
                 out(k.grad_offset)},
                parts.all, one_each(parts.all.channels),
                {bool(k.scale), bool(k.grad_scale), bool(k.grad_offset)});
  if (!k.grad_input) return;
  for (const auto& [run, push, sums] : parts.parts)
    plan.dispatch(kBackwardApply,
                  {in(images(k.input, run)), in(images(k.widths, run)), in(totals), in(images(k.output, run)),
                   in(images(k.grad_output, run)), out(images(k.grad_input, run))},
                  push, one_each(std::int64_t{push.rows} * push.channels), {activation, widths});
}

}  // namespace tapeline::vulkan
