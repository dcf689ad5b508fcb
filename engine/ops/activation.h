#pragma once

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace tapeline {

// Pointwise functions of a tensor of any shape, f32 or f64. The gradient is taken from the result, which is
// all that is kept.

/// max(x, 0)
Tensor relu(const Tensor& x);
/// min(max(x, 0), 6)
Tensor relu6(const Tensor& x);
/// x where x > 0, slope * x elsewhere. Throws unless slope > 0.
Tensor leaky_relu(const Tensor& x, float slope);
/// 1 / (1 + exp(-x))
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
/// Any of them; x itself for ActivationKind::none.
Tensor activation(const Tensor& x, const Activation& function);

/// The gradient before an activation, given its result and the gradient after it; `grad_output` itself where
/// there is none. For the way back of ops that have an activation fused into their end.
Tensor activation_backward(const Activation& function, const View& output, const Tensor& grad_output);

}  // namespace tapeline
