#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "engine/dtype.h"

namespace tapeline {

namespace finite_detail {

/// A float is finite unless all bits of its exponent are set.
template <typename Bits>
bool all_lack(std::span<const std::byte> bytes, Bits exponent) {
  bool finite = true;
  for (; bytes.size() >= sizeof(Bits); bytes = bytes.subspan(sizeof(Bits))) {
    Bits bits;
    std::memcpy(&bits, bytes.data(), sizeof bits);
    finite &= (bits & exponent) != exponent;
  }
  return finite;
}

}  // namespace finite_detail

/// Whether none of these values of one type is infinite or not a number.
inline bool all_finite(std::span<const std::byte> values, DType type) {
  using finite_detail::all_lack;
  switch (type) {
    case DType::f64:
      return all_lack<std::uint64_t>(values, std::uint64_t{0x7ff} << 52);
    case DType::f32:
      return all_lack<std::uint32_t>(values, std::uint32_t{0xff} << 23);
    case DType::f16:
      return all_lack<std::uint16_t>(values, 0x1f << 10);
    case DType::bf16:
      return all_lack<std::uint16_t>(values, 0xff << 7);
    default:
      return true;
  }
}

}  // namespace tapeline
