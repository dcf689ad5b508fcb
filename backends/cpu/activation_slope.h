#pragma once

// The derivative of an activation, from its result. For kernel files only.

#include "backends/cpu/simd.h"
#include "engine/kernels/activation.h"

namespace tapeline::cpu::TAPELINE_ISA {

/// f(grad, y) = grad * activation'(x), where y = activation(x): body(f) is compiled once for each activation,
/// so that its loops hold no choice.
template <typename Body>
TAPELINE_INLINE void with_activation_slope(const Activation& activation, Body body) {
  const Vec zero(0.0f), one(1.0f), six(6.0f);
  switch (activation.kind) {
    case ActivationKind::none:
      return body([](Vec grad, Vec) __attribute__((always_inline)) { return grad; });
    case ActivationKind::relu:
      return body([=](Vec grad, Vec y)
                      __attribute__((always_inline)) { return select(y > zero, grad, zero); });
    case ActivationKind::relu6:
      return body([=](Vec grad, Vec y)
                      __attribute__((always_inline)) { return select((y > zero) & (y < six), grad, zero); });
    case ActivationKind::leaky_relu: {
      const Vec slope(activation.slope);
      return body([=](Vec grad, Vec y)
                      __attribute__((always_inline)) { return select(y > zero, grad, grad * slope); });
    }
    case ActivationKind::sigmoid:
      return body([=](Vec grad, Vec y) __attribute__((always_inline)) { return grad * (y * (one - y)); });
    case ActivationKind::tanh:
      return body([=](Vec grad, Vec y) __attribute__((always_inline)) { return grad * (one - y * y); });
  }
}

}  // namespace tapeline::cpu::TAPELINE_ISA
