#pragma once

#include <cmath>

#include "engine/kernels/activation.h"

namespace tapeline::reference {

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline double activate(const Activation& activation, double x) {
  switch (activation.kind) {
    case ActivationKind::none:
      return x;
    case ActivationKind::relu:
      return x < 0 ? 0 : x;
    case ActivationKind::relu6:
      return x < 0 ? 0 : x > 6 ? 6 : x;
    case ActivationKind::leaky_relu:
      return x < 0 ? activation.slope * x : x;
    case ActivationKind::sigmoid:
      return sigmoid(x);
    case ActivationKind::tanh:
      return std::tanh(x);
  }
  return x;
}

/// The derivative where the activation came out as y.
inline double activation_slope(const Activation& activation, double y) {
  switch (activation.kind) {
    case ActivationKind::none:
      return 1;
    case ActivationKind::relu:
      return y > 0 ? 1 : 0;
    case ActivationKind::relu6:
      return y > 0 && y < 6 ? 1 : 0;
    case ActivationKind::leaky_relu:
      return y > 0 ? 1 : activation.slope;
    case ActivationKind::sigmoid:
      return y * (1 - y);
    case ActivationKind::tanh:
      return 1 - y * y;
  }
  return 1;
}

}  // namespace tapeline::reference
