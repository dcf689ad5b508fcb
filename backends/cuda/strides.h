#pragma once

// Walking through up to three tensors of different layouts at once: one list of extents, and for each tensor
// how far apart neighbours are along each axis. Axes that can be walked as one are joined, which leaves plain
// loops as one axis.

#include <cuda_runtime.h>

#include <array>
#include <cstdint>

#include "engine/shape.h"

namespace tapeline::cuda {

/// Extents and strides of N tensors, outermost axis first.
template <int N>
struct Strides {
  int rank = 0;
  std::int64_t extent[Shape::kMaxRank];
  std::int64_t stride[N][Shape::kMaxRank];

  /// Puts an axis inside those that are there. One of extent 1 is left out, and one that continues the axis
  /// around it joins that.
  void add(std::int64_t count, const std::array<std::int64_t, N>& steps) {
    if (count == 1) return;
    bool joins = rank > 0;
    for (int i = 0; i < N && joins; ++i) joins = stride[i][rank - 1] == count * steps[i];
    if (!joins) extent[rank++] = 1;
    extent[rank - 1] *= count;
    for (int i = 0; i < N; ++i) stride[i][rank - 1] = steps[i];
  }

  /// Where element `index`, in row-major order, lies in each tensor.
  __device__ void locate(std::int64_t index, std::int64_t (&position)[N]) const {
    for (int i = 0; i < N; ++i) position[i] = 0;
    for (int axis = rank - 1; axis > 0; --axis) {
      const std::int64_t coordinate = index % extent[axis];
      index /= extent[axis];
      for (int i = 0; i < N; ++i) position[i] += coordinate * stride[i][axis];
    }
    if (rank > 0)
      for (int i = 0; i < N; ++i) position[i] += index * stride[i][0];
  }
};

/// How far apart neighbours are along each axis of `to` when it is broadcast to `shape`: 0 where it
/// stretches.
inline std::array<std::int64_t, Shape::kMaxRank> broadcast_strides(const Shape& shape, const Shape& to) {
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int axis = 1; axis <= to.rank(); ++axis) {
    if (to[-axis] != 1) strides[static_cast<std::size_t>(shape.rank() - axis)] = stride;
    stride *= to[-axis];
  }
  return strides;
}

}  // namespace tapeline::cuda
