#pragma once

// The 16-bit storage types: IEEE 754 half (1 sign, 5 exponent, 10 mantissa bits) and bfloat16 (1, 8, 7: the
// upper half of a float). Narrowing rounds to nearest, ties to even; what is too large becomes infinite; NaN
// stays NaN and becomes quiet. Widening is exact.

#include <bit>
#include <cmath>
#include <cstdint>

namespace tapeline {

inline std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return sign | 0x7E00u | ((magnitude >> 13) & 0x3FFu);
  if (magnitude >= 0x47800000u) return sign | 0x7C00u;  // 2^16 and more, infinity too
  if (magnitude < 0x38800000u) {
    // Below 2^-14 a half counts in steps of 2^-24, and so does a float in [0.5, 1): the addition rounds.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u);
  }
  magnitude -= 112u << 23;                         // exponent bias 127 becomes 15
  magnitude += 0xFFFu + ((magnitude >> 13) & 1u);  // may carry into the exponent, up to infinity
  return sign | static_cast<std::uint16_t>(magnitude >> 13);
}

inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 31u, mantissa = half & 0x3FFu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  if (exponent == 0)
    return std::copysign(static_cast<float>(mantissa) * 0x1p-24f, std::bit_cast<float>(sign));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

inline std::uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

inline float bfloat16_to_float(std::uint16_t bfloat16) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bfloat16) << 16);
}

/// The float towards zero from `value`, its last bit set where it is not `value` itself. Rounding that to
/// fewer bits gives what rounding `value` at once would give; rounding to the nearest float first would not
/// (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
inline float round_to_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (nearest == value || std::isnan(value)) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

inline std::uint16_t double_to_half(double value) { return float_to_half(round_to_odd(value)); }
inline std::uint16_t double_to_bfloat16(double value) { return float_to_bfloat16(round_to_odd(value)); }

}  // namespace tapeline
