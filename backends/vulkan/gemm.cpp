// A product of matrices is a convolution with a window of 1 x 1: rows are positions, and the inner and outer
// columns are channels. Of its ways back, a b^T is that in the input and a^T b that in the weight.

#include "backends/vulkan/conv2d.h"
#include "backends/vulkan/kernels.h"
#include "shaders/gemm.spv.h"
#include "shaders/gemm_half.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kGemm{"gemm", gemm_spv};
constexpr Shader kGemmHalf{"gemm_half", gemm_half_spv};

struct Push {
  std::uint32_t rows, columns, inner;
  float slope;
};

Conv2dGeometry window_of_one(std::int64_t positions, std::int64_t in, std::int64_t out) {
  Conv2dGeometry g;
  g.batch = g.in_height = g.out_height = 1;
  g.in_width = g.out_width = static_cast<int>(positions);
  g.in_channels = static_cast<int>(in);
  g.out_channels = static_cast<int>(out);
  return g;
}

}  // namespace

void plan(const Gemm& k, Plan& plan) {
  require_f32(k.c);
  count_of(k.a), count_of(k.b);
  const bool whole = k.inner > 0 && k.rows > 0 && k.columns > 0,
             plain = !k.bias && !k.activation && !k.accumulate;
  if (whole) {
    const Place a = place_of(k.a), b = place_of(k.b), c = place_of(k.c);
    const ProductEnd end{in(k.bias), k.activation, k.accumulate};
    if (!k.transpose_a && !k.transpose_b)
      return plan_tiles(window_of_one(k.rows, k.inner, k.columns), a, b, c, end, plan);
    if (!k.transpose_a)
      return plan_tiles_backward(window_of_one(k.rows, k.columns, k.inner), a, b, c, end, plan);
    if (!k.transpose_b && plain)
      return plan_weight_tiles(window_of_one(k.inner, k.rows, k.columns), a, b, c, {}, plan);
  }
  plan.dispatch(
      plan.half() ? kGemmHalf : kGemm, {in(k.a), in(k.b), in(k.bias), k.accumulate ? both(k.c) : out(k.c)},
      Push{narrow(k.rows), narrow(k.columns), narrow(k.inner), k.activation.slope}, one_each(count_of(k.c)),
      {number(k.activation.kind), k.transpose_a, k.transpose_b, bool(k.bias), k.accumulate});
}

}  // namespace tapeline::vulkan
