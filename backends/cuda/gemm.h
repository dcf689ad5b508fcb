#pragma once

#include <cstdint>

#include "backends/cuda/context.h"
#include "engine/kernels/activation.h"

namespace tapeline::cuda {

/// c = op(a) op(b) + (accumulate ? c : 0), row-major; strides are from one row in memory to the next.
template <typename T>
struct Product {
  const T *a = nullptr, *b = nullptr;
  T* c = nullptr;
  std::int64_t a_stride = 0, b_stride = 0, c_stride = 0;
  int rows = 0, columns = 0, inner = 0;
  bool transpose_a = false, transpose_b = false, accumulate = false;
};

/// c = activation(product + bias). For float and double.
template <typename T>
void multiply_matrices(Context& context, const Product<T>& product, const T* bias = nullptr,
                       const Activation& activation = {});

}  // namespace tapeline::cuda
