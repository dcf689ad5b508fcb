#include "backends/vulkan/kernels.h"
#include "shaders/cast.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kCast{"cast", cast_spv};

struct Push {
  std::uint32_t count;
};

}  // namespace

void plan(const Cast& k, Plan& plan) {
  const auto each = static_cast<std::int64_t>(size_of(k.output.dtype) < 4 ? 4 / size_of(k.output.dtype) : 1);
  plan.dispatch(kCast, {in(k.input), both(k.output)}, Push{count_of(k.output)},
                one_each((k.output.elements() + each - 1) / each),
                {number(k.input.dtype), number(k.output.dtype)});
}

}  // namespace tapeline::vulkan
