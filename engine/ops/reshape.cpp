#include "engine/ops/reshape.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/ops/check.h"

namespace tapeline {
namespace {

Tensor viewed(const Tensor& x, const Shape& shape) {
  View view = x.view();
  view.shape = shape;
  return Tensor(view);
}

struct ReshapeNode final : Node {
  Shape input_shape;

  std::string_view name() const override { return "reshape"; }
  std::vector<Tensor> backward(const Tensor& grad_output) override {
    return {viewed(grad_output, input_shape)};
  }
};

// The extents with -1 filled in.
Shape complete(std::span<const std::int64_t> extents, const Shape& from) {
  const auto unknown = std::count(extents.begin(), extents.end(), -1);
  if (unknown == 0) return Shape(extents);
  std::vector<std::int64_t> filled(extents.begin(), extents.end());
  const auto missing = std::find(filled.begin(), filled.end(), -1);
  *missing = 1;
  if (unknown > 1)
    throw Error("reshape: {} of the extents for {} are -1; only one can be found", unknown, from.text());
  const Shape rest{std::span<const std::int64_t>(filled)};
  if (rest.elements() == 0 || from.elements() % rest.elements() != 0)
    throw Error("reshape: {} cannot become {} with -1 at axis {}: {} elements are no multiple of {}",
                from.text(), rest.text(), missing - filled.begin(), from.elements(), rest.elements());
  *missing = from.elements() / rest.elements();
  return Shape(std::span<const std::int64_t>(filled));
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  check_defined("reshape", "x", x);
  if (shape.elements() != x.elements())
    throw Error("reshape: {} has {} elements, {} would have {}", x.shape().text(), x.elements(), shape.text(),
                shape.elements());
  if (!wants_grad({x})) return viewed(x, shape);
  auto node = std::make_shared<ReshapeNode>();
  node->input_shape = x.shape();
  return attach(viewed(x, shape).view(), {x}, std::move(node));
}

Tensor reshape(const Tensor& x, std::span<const std::int64_t> extents) {
  check_defined("reshape", "x", x);
  return reshape(x, complete(extents, x.shape()));
}

Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> extents) {
  return reshape(x, std::span<const std::int64_t>(extents.begin(), extents.size()));
}

Shape with_extent(const Shape& shape, int axis, std::int64_t extent) {
  std::vector<std::int64_t> extents(shape.begin(), shape.end());
  extents[static_cast<std::size_t>(check_axis("shape", axis, shape))] = extent;
  return Shape(std::span<const std::int64_t>(extents));
}

}  // namespace tapeline
