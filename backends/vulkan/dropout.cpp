#include "backends/vulkan/kernels.h"
#include "shaders/dropout.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kDropout{"dropout", dropout_spv};

struct Push {
  std::uint32_t count, stream;
  float rate, kept;
};

}  // namespace

void plan(const Dropout& k, Plan& plan) {
  require_f32(k.output);
  plan.dispatch(kDropout, {in(k.input), in(k.state), out(k.output)},
                Push{count_of(k.output), k.stream, k.rate, static_cast<float>(1 - double{k.rate})},
                one_each((k.output.elements() + 3) / 4));
}

}  // namespace tapeline::vulkan
