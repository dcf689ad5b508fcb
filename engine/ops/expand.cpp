#include "engine/ops/expand.h"

#include "engine/autograd.h"
#include "engine/ops/box.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct ExpandNode final : Node {
  Shape input_shape;

  std::string_view name() const override { return "expand"; }
  std::vector<Tensor> backward(const Tensor& grad_output) override {
    return {sum_to(grad_output, input_shape)};
  }
};

struct SumToNode final : Node {
  Shape input_shape;

  std::string_view name() const override { return "sum_to"; }
  std::vector<Tensor> backward(const Tensor& grad_output) override {
    return {expand(grad_output, input_shape)};
  }
};

// `small` with axes of extent 1 in front, so that it has the rank of `large`.
Shape aligned(const char* op, const Shape& small, const Shape& large) {
  if (small.rank() > large.rank() || broadcast(small, large, op) != large)
    throw Error("{}: {} cannot be repeated to become {}", op, small.text(), large.text());
  std::vector<std::int64_t> extents(static_cast<std::size_t>(large.rank() - small.rank()), 1);
  extents.insert(extents.end(), small.begin(), small.end());
  return Shape(std::span<const std::int64_t>(extents));
}

}  // namespace

Tensor expand(const Tensor& x, const Shape& shape) {
  check_float("expand", "x", x);
  const Shape narrow = aligned("expand", x.shape(), shape);
  if (x.shape() == shape) return x;
  const Tensor output = Tensor::empty(x.device(), shape, x.dtype());
  Copy copy{.input = x.view(),
            .output = output.view(),
            .box = shape,
            .input_strides = strides_of(narrow),
            .output_strides = strides_of(shape),
            .covers_output = true};
  for (int i = 0; i < shape.rank(); ++i)
    if (narrow[i] == 1) copy.input_strides[static_cast<std::size_t>(i)] = 0;
  submit(copy);
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<ExpandNode>();
  node->input_shape = x.shape();
  return attach(output.view(), {x}, std::move(node));
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  check_float("sum_to", "x", x);
  const Shape narrow = aligned("sum_to", shape, x.shape());
  if (x.shape() == shape) return x;
  const Tensor output = Tensor::empty(x.device(), shape, x.dtype());
  View as_narrow = output.view();
  as_narrow.shape = narrow;
  submit(Reduce{.input = x.view(), .output = as_narrow, .kind = ReduceKind::sum});
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<SumToNode>();
  node->input_shape = x.shape();
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace tapeline
