#include "engine/ops/pad.h"

#include "engine/autograd.h"
#include "engine/ops/box.h"
#include "engine/ops/check.h"

namespace tapeline {
namespace {

struct PadNode final : Node {
  Shape input_shape;
  std::vector<std::int64_t> before;

  std::string_view name() const override { return "pad"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const Tensor grad_input = Tensor::empty(grad_output.device(), input_shape, grad_output.dtype());
    copy_box(grad_output.view(), before, grad_input.view(), Strides{}, input_shape);
    return {grad_input};
  }
};

}  // namespace

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           double value) {
  check_defined("pad", "x", x);
  const auto rank = static_cast<std::size_t>(x.shape().rank());
  if (before.size() != rank || after.size() != rank)
    throw Error("pad: {} and {} numbers for {}; one before and one after each axis are wanted", before.size(),
                after.size(), x.shape().text());
  std::vector<std::int64_t> extents(x.shape().begin(), x.shape().end());
  for (std::size_t i = 0; i < rank; ++i) {
    if (before[i] < 0 || after[i] < 0)
      throw Error("pad: axis {} of {} cannot be padded by {} and {}; use slice() to crop", i,
                  x.shape().text(), before[i], after[i]);
    extents[i] += before[i] + after[i];
  }
  const Tensor output =
      Tensor::full(x.device(), Shape(std::span<const std::int64_t>(extents)), value, x.dtype());
  copy_box(x.view(), Strides{}, output.view(), before, x.shape());
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<PadNode>();
  node->input_shape = x.shape();
  node->before = before;
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace tapeline
