#pragma once

// Sums over many things are cut into slabs, which are summed at the same time and then put together in their
// order: about as many slabs as things in one, so that both parts are short. The cut depends on the number of
// things alone, so the bits do not depend on the device's size.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace tapeline::vulkan {

struct Slabs {
  std::uint32_t size = 1, count = 1;
};

inline Slabs cut(std::uint32_t things, std::uint32_t least = 32) {
  const auto root = static_cast<std::uint32_t>(std::sqrt(static_cast<double>(things)));
  const std::uint32_t size = std::max(root, least);
  return {size, std::max(1u, (things + size - 1) / size)};
}

}  // namespace tapeline::vulkan
