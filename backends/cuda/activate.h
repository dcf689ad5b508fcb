#pragma once

#include <cuda_runtime.h>

#include <cmath>

#include "engine/kernels/activation.h"

namespace tapeline::cuda {

template <typename T>
__device__ T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}

template <typename T>
__device__ T activate(const Activation& activation, T x) {
  switch (activation.kind) {
    case ActivationKind::none:
      return x;
    case ActivationKind::relu:
      return x < 0 ? T(0) : x;
    case ActivationKind::relu6:
      return x < 0 ? T(0) : x > 6 ? T(6) : x;
    case ActivationKind::leaky_relu:
      return x < 0 ? T(activation.slope) * x : x;
    case ActivationKind::sigmoid:
      return sigmoid(x);
    case ActivationKind::tanh:
      return tanh(x);
  }
  return x;
}

/// The derivative where the activation came out as y.
template <typename T>
__device__ T activation_slope(const Activation& activation, T y) {
  switch (activation.kind) {
    case ActivationKind::none:
      return 1;
    case ActivationKind::relu:
      return y > 0 ? 1 : 0;
    case ActivationKind::relu6:
      return y > 0 && y < 6 ? 1 : 0;
    case ActivationKind::leaky_relu:
      return y > 0 ? T(1) : T(activation.slope);
    case ActivationKind::sigmoid:
      return y * (1 - y);
    case ActivationKind::tanh:
      return 1 - y * y;
  }
  return 1;
}

}  // namespace tapeline::cuda
