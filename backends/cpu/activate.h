#pragma once

// activation(x) on vectors, to be fused into whatever writes x. For kernel files only.

#include "backends/cpu/simd.h"
#include "engine/kernels/activation.h"

namespace tapeline::cpu::TAPELINE_ISA {

/// f(x) for the one vector function f that `activation` stands for: body(f) is compiled once for each, so
/// that its loops hold no choice.
template <typename Body>
TAPELINE_INLINE void with_activation(const Activation& activation, Body body) {
  const Vec zero(0.0f);
  switch (activation.kind) {
    case ActivationKind::none:
      return body([](Vec x) __attribute__((always_inline)) { return x; });
    case ActivationKind::relu:
      return body([=](Vec x) __attribute__((always_inline)) { return max(x, zero); });
    case ActivationKind::relu6:
      return body([=](Vec x) __attribute__((always_inline)) { return min(max(x, zero), Vec(6.0f)); });
    case ActivationKind::leaky_relu: {
      const Vec slope(activation.slope);
      return body([=](Vec x) __attribute__((always_inline)) { return select(x < zero, x * slope, x); });
    }
    case ActivationKind::sigmoid:
      return body([](Vec x) __attribute__((always_inline)) { return sigmoid(x); });
    case ActivationKind::tanh:
      return body([](Vec x) __attribute__((always_inline)) { return tanh(x); });
  }
}

}  // namespace tapeline::cpu::TAPELINE_ISA
