#include "backends/vulkan/kernels.h"
#include "shaders/mask.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kMask{"mask", mask_spv};

struct Push {
  std::uint32_t count, height, width, channels;
};

}  // namespace

void plan(const MaskColumns& k, Plan& plan) {
  require_f32(k.output);
  const Shape& shape = k.output.shape;
  plan.dispatch(kMask, {in(k.input), in(k.widths), out(k.output)},
                Push{count_of(k.output), narrow(shape[1]), narrow(shape[2]), narrow(shape[3])},
                one_each(k.output.elements()));
}

}  // namespace tapeline::vulkan
