#pragma once

// Where elements lie.

#include <algorithm>
#include <cstdint>

#include "engine/storage.h"

namespace tapeline::reference {

/// Position of element [n, y, x, c] of a tensor of rank 4.
struct Index4 {
  explicit Index4(const Shape& shape) : extent1(shape[1]), extent2(shape[2]), extent3(shape[3]) {}
  std::int64_t operator()(std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) const {
    return ((n * extent1 + y) * extent2 + x) * extent3 + c;
  }
  std::int64_t extent1, extent2, extent3;
};

/// Position in a tensor of shape `to` of what meets element `index` of a tensor of shape `from`, when `to` is
/// broadcast to `from`.
inline std::int64_t broadcast_index(std::int64_t index, const Shape& from, const Shape& to) {
  std::int64_t position = 0, stride = 1;
  for (int axis = 1; axis <= to.rank(); ++axis) {
    const std::int64_t coordinate = index % from[-axis];
    index /= from[-axis];
    if (to[-axis] != 1) position += coordinate * stride;
    stride *= to[-axis];
  }
  return position;
}

/// lengths[n], an image's own width or number of frames, or all there is where no lengths are given.
inline std::int64_t length_of(const View& lengths, std::int64_t n, std::int64_t all) {
  return lengths ? std::clamp<std::int64_t>(lengths.data<std::int32_t>()[n], 0, all) : all;
}

/// Calls visit(position, inside) for the C elements beginning at `position` at each n, y, x of an [N, H, W,
/// C] image, where inside tells x < widths[n].
template <typename Visit>
void for_each_pixel(const Shape& shape, const View& widths, Visit&& visit) {
  const std::int64_t channels = shape[3];
  std::int64_t position = 0;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    const std::int64_t width = length_of(widths, n, shape[2]);
    for (std::int64_t y = 0; y < shape[1]; ++y)
      for (std::int64_t x = 0; x < shape[2]; ++x, position += channels) visit(position, x < width);
  }
}

}  // namespace tapeline::reference
