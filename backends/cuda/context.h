#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/cuda/backend.h"

namespace tapeline::cuda {

/// Memory for what a kernel keeps between its launches. All of it is given back by reset(), before the next
/// kernel; nothing is ever moved or freed, because a graph that was captured goes on using it.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  void* take(std::size_t bytes);
  void reset() { used_ = 0; }

 private:
  std::vector<void*> chunks_;
  std::size_t capacity_ = 0, used_ = 0;  // of the last chunk
};

/// What a kernel is launched with.
struct Context {
  cudaStream_t stream = nullptr;
  Scratch* memory = nullptr;
  cublasHandle_t blas = nullptr;  // null: no cuBLAS on this machine; products are then made by gemm_tile.h
  Precision precision = Precision::fp32;
  int multiprocessors = 1;
  std::size_t shared_limit = std::size_t{48} << 10;  // bytes of shared memory that a block may have
  bool cooperative = false;                          // launches whose blocks wait for each other
  bool copies_async = false;                         // into shared memory (compute capability 8.0)

  template <typename T>
  T* scratch(std::int64_t count) {
    return static_cast<T*>(memory->take(static_cast<std::size_t>(count) * sizeof(T)));
  }
};

}  // namespace tapeline::cuda
