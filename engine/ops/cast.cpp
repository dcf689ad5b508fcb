#include "engine/ops/cast.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct CastNode final : Node {
  DType from = DType::f32;

  std::string_view name() const override { return "cast"; }
  std::vector<Tensor> backward(const Tensor& grad_output) override { return {cast(grad_output, from)}; }
};

}  // namespace

Tensor cast(const Tensor& x, DType dtype) {
  check_defined("cast", "x", x);
  if (x.dtype() == dtype) return x;
  const Tensor output = Tensor::empty(x.device(), x.shape(), dtype);
  submit(Cast{.input = x.view(), .output = output.view()});
  if (!is_float(dtype) || !wants_grad({x})) return output;

  auto node = std::make_shared<CastNode>();
  node->from = x.dtype();
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace tapeline
