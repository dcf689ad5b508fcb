#pragma once

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace tapeline {

/// output[..., o] = function(bias[o] + sum over i of x[..., i] * weight[i, o])
///   x [..., in], any leading axes; weight [in, out]; bias [out], or undefined; output [..., out]
/// Differentiable in x, weight and bias. Throws when shapes, types or devices do not fit.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Activation& function = {});

}  // namespace tapeline
