#pragma once

#include <vector>

#include "engine/tensor.h"

namespace tapeline {

/// The axes in another order, copied: axis i of the output is axis axes[i] of x. Any type; differentiable.
/// Throws unless `axes` names each axis once.
Tensor permute(const Tensor& x, const std::vector<int>& axes);

}  // namespace tapeline
