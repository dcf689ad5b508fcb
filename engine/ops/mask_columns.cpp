#include "engine/ops/mask_columns.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

Tensor masked(const Tensor& x, const View& widths) {
  const Tensor output = Tensor::empty(x.device(), x.shape(), x.dtype());
  submit(MaskColumns{.input = x.view(), .output = output.view(), .widths = widths});
  return output;
}

struct MaskColumnsNode final : Node {
  View widths;

  std::string_view name() const override { return "mask_columns"; }
  std::vector<Tensor> backward(const Tensor& grad_output) override { return {masked(grad_output, widths)}; }
};

}  // namespace

Tensor mask_columns(const Tensor& x, const Tensor& widths) {
  check_float("mask_columns", "x", x);
  check_rank("mask_columns", "x", x, 4, "[N, H, W, C]");
  check_lengths("mask_columns", "widths", widths, x.extent(0), x);
  const Tensor output = masked(x, widths.view());
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<MaskColumnsNode>();
  node->widths = widths.view();
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace tapeline
