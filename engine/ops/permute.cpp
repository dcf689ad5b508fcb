#include "engine/ops/permute.h"

#include "engine/autograd.h"
#include "engine/ops/box.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct PermuteNode final : Node {
  std::vector<int> inverse;

  std::string_view name() const override { return "permute"; }
  std::vector<Tensor> backward(const Tensor& grad_output) override { return {permute(grad_output, inverse)}; }
};

// For each axis of x, the axis of the output that it becomes.
std::vector<int> invert(const std::vector<int>& axes, const Shape& shape) {
  std::vector<int> inverse(static_cast<std::size_t>(shape.rank()), -1);
  bool each_once = axes.size() == inverse.size();
  for (std::size_t i = 0; each_once && i < axes.size(); ++i) {
    each_once = axes[i] >= 0 && axes[i] < shape.rank() && inverse[static_cast<std::size_t>(axes[i])] < 0;
    if (each_once) inverse[static_cast<std::size_t>(axes[i])] = static_cast<int>(i);
  }
  if (!each_once)
    throw Error("permute: the axes [{}] do not name each of the {} axes of {} once", fmt::join(axes, ", "),
                shape.rank(), shape.text());
  return inverse;
}

}  // namespace

Tensor permute(const Tensor& x, const std::vector<int>& axes) {
  check_defined("permute", "x", x);
  std::vector<int> inverse = invert(axes, x.shape());
  std::vector<std::int64_t> extents;
  for (const int axis : axes) extents.push_back(x.extent(axis));
  const Tensor output = Tensor::empty(x.device(), Shape(std::span<const std::int64_t>(extents)), x.dtype());

  Copy copy{.input = x.view(), .output = output.view(), .box = output.shape(), .covers_output = true};
  const Strides strides = strides_of(x.shape());
  for (std::size_t i = 0; i < axes.size(); ++i)
    copy.input_strides[i] = strides[static_cast<std::size_t>(axes[i])];
  copy.output_strides = strides_of(output.shape());
  submit(copy);
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<PermuteNode>();
  node->inverse = std::move(inverse);
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace tapeline
