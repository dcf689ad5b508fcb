#pragma once

#include "engine/tensor.h"

namespace tapeline {

/// x - ln(sum(exp(x))) over the innermost axis: the logarithms of probabilities that add up to 1. x [..., C],
/// C > 0. Differentiable. Throws when there is no such axis, or x is no float tensor.
Tensor log_softmax(const Tensor& x);

}  // namespace tapeline
