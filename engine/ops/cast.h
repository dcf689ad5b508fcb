#pragma once

#include "engine/tensor.h"

namespace tapeline {

/// x in another type; x itself where it has it already. See engine/kernels/cast.h for rounding. Between float
/// types it is differentiable: the gradient comes back in the type of x.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace tapeline
