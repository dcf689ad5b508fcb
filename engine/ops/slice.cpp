#include "engine/ops/slice.h"

#include "engine/autograd.h"
#include "engine/ops/box.h"
#include "engine/ops/check.h"
#include "engine/ops/reshape.h"

namespace tapeline {
namespace {

struct SliceNode final : Node {
  Shape input_shape;
  Strides from{};

  std::string_view name() const override { return "slice"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const Tensor grad_input = Tensor::zeros(grad_output.device(), input_shape, grad_output.dtype());
    copy_box(grad_output.view(), Strides{}, grad_input.view(), from, grad_output.shape());
    return {grad_input};
  }
};

}  // namespace

Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
  check_defined("slice", "x", x);
  const int at = check_axis("slice", axis, x.shape());
  if (begin < 0 || begin > end || end > x.extent(at))
    throw Error("slice: {} to {} is no part of axis {} of {}; wanted is 0 <= begin <= end <= {}", begin, end,
                at, x.shape().text(), x.extent(at));
  const Tensor output = Tensor::empty(x.device(), with_extent(x.shape(), at, end - begin), x.dtype());
  Strides from{};
  from[static_cast<std::size_t>(at)] = begin;
  copy_box(x.view(), from, output.view(), Strides{}, output.shape());
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<SliceNode>();
  node->input_shape = x.shape();
  node->from = from;
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace tapeline
