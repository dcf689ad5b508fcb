#include "backends/vulkan/kernels.h"
#include "shaders/gemm.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kGemm{"gemm", gemm_spv};

struct Push {
  std::uint32_t rows, columns, inner;
  float slope;
};

}  // namespace

void plan(const Gemm& k, Plan& plan) {
  require_f32(k.c);
  count_of(k.a), count_of(k.b);
  plan.dispatch(kGemm, {in(k.a), in(k.b), in(k.bias), k.accumulate ? both(k.c) : out(k.c)},
                Push{narrow(k.rows), narrow(k.columns), narrow(k.inner), k.activation.slope},
                one_each(count_of(k.c)),
                {number(k.activation.kind), k.transpose_a, k.transpose_b, bool(k.bias), k.accumulate});
}

}  // namespace tapeline::vulkan
