#include "engine/ops/reduce.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/expand.h"
#include "engine/ops/reshape.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct ReduceNode final : Node {
  Shape input_shape, kept_shape;
  ReduceKind kind = ReduceKind::sum;
  View input, output;  // of maximum only

  std::string_view name() const override { return "reduce"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const Tensor grad = reshape(grad_output, kept_shape);
    if (kind == ReduceKind::sum) return {expand(grad, input_shape)};
    if (kind == ReduceKind::mean) {
      const auto count =
          static_cast<double>(input_shape.elements()) / static_cast<double>(kept_shape.elements());
      return {expand(scale(grad, 1 / count), input_shape)};
    }
    const Tensor largest = sign(Tensor(input) - reshape(Tensor(output), kept_shape)) + 1;  // 1 or 0
    return {largest * (grad / sum_to(largest, kept_shape))};
  }
};

// The shape with the axes reduced to 1, or left out.
struct Reduced {
  Shape kept, squeezed;
};

Reduced reduced(const char* op, const Shape& shape, const std::vector<int>& axes) {
  std::vector<bool> gone(static_cast<std::size_t>(shape.rank()), false);
  for (const int axis : axes) {
    const auto at = static_cast<std::size_t>(check_axis(op, axis, shape));
    if (gone[at]) throw Error("{}: axis {} of {} is named twice", op, at, shape.text());
    gone[at] = true;
  }
  std::vector<std::int64_t> kept, squeezed;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    const std::int64_t extent = shape[static_cast<int>(i)];
    kept.push_back(gone[i] ? 1 : extent);
    if (!gone[i]) squeezed.push_back(extent);
  }
  return {Shape(std::span<const std::int64_t>(kept)), Shape(std::span<const std::int64_t>(squeezed))};
}

Tensor reduce(const char* op, ReduceKind kind, const Tensor& x, const std::vector<int>& axes,
              bool keep_dims) {
  check_float(op, "x", x);
  const auto [kept, squeezed] = reduced(op, x.shape(), axes);
  const Tensor output = Tensor::empty(x.device(), keep_dims ? kept : squeezed, x.dtype());
  View as_kept = output.view();
  as_kept.shape = kept;
  submit(Reduce{.input = x.view(), .output = as_kept, .kind = kind});
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<ReduceNode>();
  node->input_shape = x.shape();
  node->kept_shape = kept;
  node->kind = kind;
  if (kind == ReduceKind::maximum) {
    node->input = x.view();
    node->output = output.view();
  }
  return attach(output.view(), {x}, std::move(node));
}

std::vector<int> all_axes(const char* op, const Tensor& x) {
  check_defined(op, "x", x);
  std::vector<int> axes(static_cast<std::size_t>(x.shape().rank()));
  for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
  return axes;
}

}  // namespace

Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keep_dims) {
  return reduce("sum", ReduceKind::sum, x, axes, keep_dims);
}
Tensor sum(const Tensor& x) { return sum(x, all_axes("sum", x)); }

Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keep_dims) {
  return reduce("mean", ReduceKind::mean, x, axes, keep_dims);
}
Tensor mean(const Tensor& x) { return mean(x, all_axes("mean", x)); }

Tensor maximum(const Tensor& x, const std::vector<int>& axes, bool keep_dims) {
  return reduce("maximum", ReduceKind::maximum, x, axes, keep_dims);
}
Tensor maximum(const Tensor& x) { return maximum(x, all_axes("maximum", x)); }

}  // namespace tapeline
