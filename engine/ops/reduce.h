#pragma once

#include <vector>

#include "engine/tensor.h"

namespace tapeline {

// Reductions of f32 and f64 tensors over some axes, or, without `axes`, over all of them to a scalar []. A
// negative axis counts from the end. With keep_dims the axes stay, with extent 1; otherwise they go. All are
// differentiable. They throw when an axis does not exist or is named twice.

/// Over no elements: 0.
Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keep_dims = false);
Tensor sum(const Tensor& x);
/// Over no elements: NaN.
Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keep_dims = false);
Tensor mean(const Tensor& x);
/// Over no elements: -infinity. The gradient is shared equally among those that are the largest.
Tensor maximum(const Tensor& x, const std::vector<int>& axes, bool keep_dims = false);
Tensor maximum(const Tensor& x);

}  // namespace tapeline
