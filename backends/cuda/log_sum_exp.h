#pragma once

#include <cmath>

#include "backends/cuda/warp.h"

namespace tapeline::cuda {

/// ln(sum(exp(x))), as the largest x and the rest: x - largest loses nothing where x - (largest + rest)
/// would.
template <typename T>
struct LogSum {
  T largest, rest;
  /// x - ln(sum(exp(x)))
  __device__ T from(T x) const { return (x - largest) - rest; }
};

/// By one warp, count > 0; every lane gets it. Over -infinities alone it is NaN.
template <typename T>
__device__ LogSum<T> log_sum_exp(const T* x, int count) {
  T largest = x[0];
  for (int i = threadIdx.x % 32; i < count; i += 32) largest = x[i] > largest ? x[i] : largest;
  largest = warp_max(largest);
  T sum = 0;
  for (int i = threadIdx.x % 32; i < count; i += 32) sum += exp(x[i] - largest);
  return {largest, static_cast<T>(log(warp_sum(sum)))};
}

}  // namespace tapeline::cuda
