#version 450
#extension GL_GOOGLE_include_directive : require

// Every value of every type is first taken for an f64, exactly, as two words (low, high), and that rounded to
// the other type by integer arithmetic alone: no device needs f64 or narrow types for it. An invocation writes
// one word, or the two of an f64.

#include "grid.glsl"

const uint kF32 = 0, kF64 = 1, kF16 = 2, kBF16 = 3, kI32 = 4, kU8 = 5;  // as in DType

layout(constant_id = 1) const uint kFrom = 0;
layout(constant_id = 2) const uint kTo = 0;
layout(binding = 0) readonly buffer Input { uint x[]; };
layout(binding = 1) buffer Output { uint y[]; };
layout(push_constant) uniform Push { uint count; };

// Widens a float of any layout, given as sign, exponent and mantissa fields.
uvec2 widen(uint sign, uint exponent, uint mantissa, uint exponent_bits, uint mantissa_bits) {
  const uint most = (1u << exponent_bits) - 1u;
  uint e = exponent + 1023u - (most >> 1);
  if (exponent == most) {
    e = 2047u;
  } else if (exponent == 0u) {
    if (mantissa == 0u) return uvec2(0u, sign << 31);
    const int shift = int(mantissa_bits) - findMSB(mantissa);
    mantissa = (mantissa << shift) & ((1u << mantissa_bits) - 1u);
    e = uint(int(e) + 1 - shift);
  }
  // 52 bits of mantissa: 20 in the high word.
  const uvec2 m = mantissa_bits > 20u ? uvec2(mantissa << (52u - mantissa_bits), mantissa >> (mantissa_bits - 20u))
                                      : uvec2(0u, mantissa << (20u - mantissa_bits));
  return uvec2(m.x, (sign << 31) | (e << 20) | m.y);
}

uvec2 widen_integer(int value) {
  if (value == 0) return uvec2(0u);
  const uint sign = value < 0 ? 1u : 0u;
  const uint magnitude = value < 0 ? uint(-(value + 1)) + 1u : uint(value);
  const int top = findMSB(magnitude);
  const uint rest = top == 0 ? 0u : magnitude << (32 - top);  // below the leading one, from the top
  return uvec2(rest << 20, (sign << 31) | (uint(top + 1023) << 20) | (rest >> 12));
}

// Rounds to nearest, ties to even; narrower than f64 by at least 29 bits of mantissa.
uint narrow(uvec2 v, uint exponent_bits, uint mantissa_bits) {
  const uint sign = (v.y >> 31) << (exponent_bits + mantissa_bits);
  const uint most = (1u << exponent_bits) - 1u;
  const uint infinity = most << mantissa_bits;
  const uint high = v.y & 0xFFFFFu;
  const int exponent = int((v.y >> 20) & 2047u);
  if (exponent == 2047 && (high | v.x) != 0u) return sign | infinity | (1u << (mantissa_bits - 1u));
  const int e = exponent - 1023 + int(most >> 1);
  if (e >= int(most)) return sign | infinity;
  // 27 bits of mantissa, the leading one included, and whether anything follows them.
  uint m = (1u << 26) | (high << 6) | (v.x >> 26);
  bool rest = (v.x & 0x3FFFFFFu) != 0u;
  int drop = 26 - int(mantissa_bits);
  if (e <= 0) drop += 1 - e;
  if (exponent == 0 || drop > 28) return sign;
  const uint kept = m >> drop, dropped = m & ((1u << drop) - 1u), middle = 1u << (drop - 1);
  const bool up = dropped > middle || (dropped == middle && (rest || (kept & 1u) == 1u));
  const uint rounded = kept + (up ? 1u : 0u);
  // The leading one, where there is one, adds itself to the exponent, and so does a carry.
  return sign | (e <= 0 ? rounded : (uint(e - 1) << mantissa_bits) + rounded);
}

// Truncates; NaN becomes 0, and what is too large the limit.
int truncate(uvec2 v, int low, int most) {
  const bool negative = (v.y >> 31) == 1u;
  const uint high = v.y & 0xFFFFFu;
  const int e = int((v.y >> 20) & 2047u) - 1023;
  if (e == 1024 && (high | v.x) != 0u) return 0;
  if (e < 0) return 0;
  if (e > 30) return negative ? low : most;
  const uint leading = (1u << 31) | (high << 11) | (v.x >> 21);
  const int magnitude = int(leading >> (31 - e));
  return clamp(negative ? -magnitude : magnitude, low, most);
}

uint half_word(uint i) { return (x[i / 2u] >> (16u * (i % 2u))) & 0xFFFFu; }

uvec2 load(uint i) {
  switch (kFrom) {
    case kF64:
      return uvec2(x[2u * i], x[2u * i + 1u]);
    case kF16: {
      const uint h = half_word(i);
      return widen(h >> 15, (h >> 10) & 31u, h & 1023u, 5u, 10u);
    }
    case kBF16: {
      const uint h = half_word(i);
      return widen(h >> 15, (h >> 7) & 255u, h & 127u, 8u, 7u);
    }
    case kI32:
      return widen_integer(int(x[i]));
    case kU8:
      return widen_integer(int((x[i / 4u] >> (8u * (i % 4u))) & 255u));
  }
  return widen(x[i] >> 31, (x[i] >> 23) & 255u, x[i] & 0x7FFFFFu, 8u, 23u);
}

void main() {
  const uint w = invocation();
  if (kTo == kF16 || kTo == kBF16 || kTo == kU8) {
    const uint each = kTo == kU8 ? 4u : 2u, bits = 32u / each;
    if (w * each >= count) return;
    uint word = 0u, mask = 0u;
    for (uint k = 0u; k < each && w * each + k < count; ++k) {
      const uvec2 value = load(w * each + k);
      const uint narrowed = kTo == kF16    ? narrow(value, 5u, 10u)
                            : kTo == kBF16 ? narrow(value, 8u, 7u)
                                           : uint(truncate(value, 0, 255));
      word |= narrowed << (bits * k);
      mask |= (bits == 8u ? 255u : 0xFFFFu) << (bits * k);
    }
    y[w] = mask == 0xFFFFFFFFu ? word : word | (y[w] & ~mask);
    return;
  }
  if (w >= count) return;
  if (kTo == kF64) {
    const uvec2 value = load(w);
    y[2u * w] = value.x;
    y[2u * w + 1u] = value.y;
  } else if (kTo == kI32) {
    y[w] = uint(truncate(load(w), -2147483647 - 1, 2147483647));
  } else {
    y[w] = kFrom == kF32 ? x[w] : narrow(load(w), 8u, 23u);
  }
}
