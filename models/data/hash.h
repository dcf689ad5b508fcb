#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tapeline {

/// FNV-1a, then the mixing steps of MurmurHash3, so that every bit depends on every byte.
inline std::uint64_t hash_bytes(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001B3u;
  hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDu;
  hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53u;
  return hash ^ (hash >> 33);
}

}  // namespace tapeline
