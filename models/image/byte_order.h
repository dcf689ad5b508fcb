#pragma once

// Numbers out of bytes, in either order.

#include <cstddef>
#include <cstdint>
#include <span>

namespace tapeline {

/// The number in the `count` bytes (at most 7) from `offset` on, which are there: the highest first.
inline std::int64_t big_endian(std::span<const std::byte> bytes, std::size_t offset, std::size_t count) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | std::to_integer<int>(bytes[offset + i]);
  return value;
}

/// The same, the lowest first.
inline std::int64_t little_endian(std::span<const std::byte> bytes, std::size_t offset, std::size_t count) {
  std::int64_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | std::to_integer<int>(bytes[offset + i]);
  return value;
}

}  // namespace tapeline
