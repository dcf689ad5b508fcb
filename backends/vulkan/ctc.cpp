// One workgroup an image.

#include "backends/vulkan/kernels.h"
#include "engine/error.h"
#include "shaders/ctc.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kCtc{"ctc", ctc_spv};

struct Push {
  std::uint32_t batch, steps, classes, label_extent;
  std::int32_t blank;
};

}  // namespace

void plan(const CtcLoss& k, Plan& plan) {
  require_f32(k.logits);
  const Shape& shape = k.logits.shape;
  const std::uint32_t batch = narrow(shape[0]), steps = narrow(shape[1]), classes = narrow(shape[2]);
  const std::uint32_t label_extent = narrow(k.labels.shape[1]), states = 2 * label_extent + 1;
  constexpr std::uint32_t kSharedBytesOfAState = 32;
  const std::uint32_t shared = states * kSharedBytesOfAState + 16;
  if (shared > plan.device().limits().maxComputeSharedMemorySize)
    throw Error(
        "labels of up to {} characters need {} bytes of shared memory, and the device has {}; use shorter "
        "labels, or the device 'cpu'",
        label_extent, shared, plan.device().limits().maxComputeSharedMemorySize);
  narrow(shape[0] * shape[1] * states);
  const Place alpha = plan.scratch(std::size_t{batch} * steps * states * 2 * sizeof(float));
  const Place totals = plan.scratch(std::size_t{batch} * steps * 2 * sizeof(float));
  plan.dispatch(kCtc,
                {in(k.logits), in(k.labels), in(k.label_lengths), in(k.frames), out(k.loss),
                 both(k.grad_logits), both(alpha), both(totals)},
                Push{batch, steps, classes, label_extent, k.blank}, Grid{batch, 64},
                {states, bool(k.frames), bool(k.grad_logits)});
}

}  // namespace tapeline::vulkan
