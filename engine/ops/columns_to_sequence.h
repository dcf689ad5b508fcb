#pragma once

#include "engine/tensor.h"

namespace tapeline {

/// The columns of a feature map as the time steps of a sequence: [N, H, W, C] to [N, W, H * C], a step's
/// features row by row. With H = 1 it is a view. Differentiable. Throws when x is not a feature map.
Tensor columns_to_sequence(const Tensor& x);

}  // namespace tapeline
