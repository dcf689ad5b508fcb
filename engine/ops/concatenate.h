#pragma once

#include <vector>

#include "engine/tensor.h"

namespace tapeline {

/// The tensors one after the other along one axis (a negative axis counts from the end). Any type;
/// differentiable. Throws when there are none, or their types, devices or other extents differ.
Tensor concatenate(const std::vector<Tensor>& tensors, int axis);

}  // namespace tapeline
