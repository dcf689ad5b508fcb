#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace tapeline {

/// Each element of x is 0 with probability `rate`, and x / (1 - rate) otherwise. The choice is a pure
/// function of the seed, the step, the stream and the element's position (see engine/kernels/dropout.h): the
/// same on every device.
///   state   i32 [3]: seed (low, high half) and step. It is read again on the way back, so count the step up
///           after backward(), or before the forward.
///   stream  tells the dropout layers of a network apart
/// With rate 0 it is x itself. Differentiable in x. Throws when rate is not in [0, 1) or state is something
/// else.
Tensor dropout(const Tensor& x, float rate, const Tensor& state, std::uint32_t stream);

}  // namespace tapeline
