#pragma once

// Sums and maxima over the 32 lanes of a warp, and over a block; in an order that is always the same. All
// lanes get the result.

#include <cuda_runtime.h>

namespace tapeline::cuda {

inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

template <typename T>
__device__ T warp_sum(T value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAllLanes, value, lanes);
  return value;
}

template <typename T>
__device__ T warp_max(T value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, lanes);
    value = other > value ? other : value;
  }
  return value;
}

/// For blocks of up to 1024 threads, whole warps. `room` is shared memory of 32 values; it may be used again
/// after the next barrier.
template <typename T>
__device__ T block_sum(T value, T* room) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = value;
  __syncthreads();
  T sum = 0;
  for (unsigned w = 0; w < blockDim.x / 32; ++w) sum += room[w];
  return sum;
}

}  // namespace tapeline::cuda
