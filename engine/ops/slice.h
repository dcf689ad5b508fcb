#pragma once

#include "engine/tensor.h"

namespace tapeline {

/// The elements begin <= i < end along one axis (a negative axis counts from the end), copied. Any type;
/// differentiable. Throws unless 0 <= begin <= end <= extent.
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end);

}  // namespace tapeline
