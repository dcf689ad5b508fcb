#pragma once

#include <cmath>

#include "backends/cuda/warp.h"

namespace tapeline::cuda {

/// ln(sum(exp(x))) by one warp, count > 0; every lane gets it. The largest is taken out of the sum so that
/// nothing overflows. Over -infinities alone it is NaN.
template <typename T>
__device__ T log_sum_exp(const T* x, int count) {
  T largest = x[0];
  for (int i = threadIdx.x % 32; i < count; i += 32) largest = x[i] > largest ? x[i] : largest;
  largest = warp_max(largest);
  T sum = 0;
  for (int i = threadIdx.x % 32; i < count; i += 32) sum += exp(x[i] - largest);
  return largest + log(warp_sum(sum));
}

}  // namespace tapeline::cuda
