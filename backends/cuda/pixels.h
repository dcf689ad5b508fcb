#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace tapeline::cuda {

/// lengths[n], an image's own width or number of frames, or all there is where no lengths are given.
__device__ inline int length_of(const std::int32_t* lengths, std::int64_t n, int all) {
  if (!lengths) return all;
  const int length = lengths[n];
  return length < 0 ? 0 : length > all ? all : length;
}

/// The rows (positions n, y, x) of [N, H, W, C] images, of which only those with x < widths[n] count.
struct Pixels {
  std::int64_t rows;
  int height, width;
  const std::int32_t* widths;  // null: all count

  __device__ bool inside(std::int64_t row) const {
    if (!widths) return true;
    return row % width < length_of(widths, row / width / height, width);
  }
};

}  // namespace tapeline::cuda
