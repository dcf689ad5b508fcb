#pragma once

#include "engine/tensor.h"

namespace tapeline {

// Broadcasting on its own, and its adjoint: each is the other's way back.

/// x repeated until it has `shape`: aligned at the innermost axis, extents of 1 stretch. f32 or f64;
/// differentiable. Throws when x does not broadcast to the shape.
Tensor expand(const Tensor& x, const Shape& shape);

/// The sum of x over the axes along which a tensor of `shape` would have been repeated to become x's shape.
/// f32 or f64; differentiable. Throws when such a tensor does not broadcast to the shape of x.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace tapeline
