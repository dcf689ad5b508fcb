#pragma once

// How kernels are started: one function in place of <<<>>>, which only nvcc understands.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "backends/cuda/context.h"
#include "backends/cuda/errors.h"

namespace tapeline::cuda {

inline constexpr int kThreads = 256;  // of a block, where nothing speaks for another number

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

template <typename... Parameters, typename... Arguments>
void launch_with(Context& context, bool cooperative, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                 std::size_t shared_bytes, Arguments&&... arguments) {
  constexpr std::size_t kAlwaysAllowed = std::size_t{48} << 10;
  if (shared_bytes > kAlwaysAllowed)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          "asking for shared memory");
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeCooperative;
  attribute.val.cooperative = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = context.stream;
  config.attrs = &attribute;
  config.numAttrs = cooperative ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), "launch");
}

template <typename... Parameters, typename... Arguments>
void launch(Context& context, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Arguments&&... arguments) {
  launch_with(context, false, kernel, grid, block, shared_bytes, std::forward<Arguments>(arguments)...);
}

/// Starts enough threads for a kernel that goes through `elements` elements with for_elements().
template <typename... Parameters, typename... Arguments>
void launch_elements(Context& context, std::int64_t elements, void (*kernel)(Parameters...),
                     Arguments&&... arguments) {
  if (elements == 0) return;
  const std::int64_t blocks =
      std::min<std::int64_t>(divide_up(elements, kThreads), 16LL * context.multiprocessors);
  launch(context, kernel, static_cast<unsigned>(blocks), kThreads, 0, std::forward<Arguments>(arguments)...);
}

/// This thread's first element, and how far it is to its next.
__device__ inline std::int64_t first_element() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t element_stride() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

/// The dynamic shared memory of the block.
template <typename T>
__device__ T* dynamic_shared() {
#ifdef __CUDACC__
  extern __shared__ __align__(16) unsigned char dynamic_shared_bytes[];
  return reinterpret_cast<T*>(dynamic_shared_bytes);
#else
  return static_cast<T*>(cuda_emulation::dynamic_shared());
#endif
}

}  // namespace tapeline::cuda
