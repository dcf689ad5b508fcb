#pragma once

#include "engine/tensor.h"

namespace tapeline {

/// The product op(a) op(b) of two matrices, where op transposes or not: [m, k] x [k, n] to [m, n].
/// Differentiable in both. Throws when they are not matrices, or types, devices or the inner extents differ.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace tapeline
