#pragma once

// The axes along which a shader walks, outermost first. Extents of 1 are left out, and neighbours that one
// step takes together are made one, so that the shader divides less.

#include <array>
#include <cstdint>

#include "backends/vulkan/plan.h"
#include "engine/shape.h"

namespace tapeline::vulkan {

template <int kOperands>
struct Axes {
  int rank = 0;
  std::array<std::uint32_t, Shape::kMaxRank> extents{};
  std::array<std::array<std::int32_t, Shape::kMaxRank>, kOperands> strides{};

  /// Adds an axis inside of those before.
  void add(std::int64_t extent, const std::array<std::int64_t, kOperands>& steps) {
    if (extent == 1) return;
    bool joins = rank > 0;
    for (int o = 0; o < kOperands && joins; ++o) joins = at(o, rank - 1) == steps[o] * extent;
    if (joins)
      extents[rank - 1] = narrow(extents[rank - 1] * extent);
    else
      extents[rank++] = narrow(extent);
    for (int o = 0; o < kOperands; ++o) strides[o][rank - 1] = static_cast<std::int32_t>(steps[o]);
  }

 private:
  std::int64_t at(int operand, int axis) const { return strides[operand][axis]; }
};

}  // namespace tapeline::vulkan
