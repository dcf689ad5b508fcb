#pragma once

#include <initializer_list>
#include <span>

#include "engine/tensor.h"

namespace tapeline {

/// The same elements in the same order, in another shape: a view, nothing is moved. One extent may be -1: it
/// becomes what is left over. Any type; differentiable. Throws when the number of elements would change.
Tensor reshape(const Tensor& x, std::span<const std::int64_t> extents);
Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> extents);
Tensor reshape(const Tensor& x, const Shape& shape);

/// `shape` with another extent on one axis.
Shape with_extent(const Shape& shape, int axis, std::int64_t extent);

}  // namespace tapeline
