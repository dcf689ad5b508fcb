#pragma once

// The factors of matrix products, as they lie in packed blocks. A word of a block has the 32 bits of a float:
//
//   fp32   one factor
//   bf16   two, neighbours in k, the first in the lower half (where this is compiled with TAPELINE_BF16)
//
// A step of the innermost loop takes a word of A and a word of B, so blocks and loops are the same for both.
// bf16 factors are rounded to nearest, ties to even. Their products are exact in fp32, the type of the sums:
// only the additions round, and the second product of a pair is added to the sum with the first.

#include "backends/cpu/simd.h"
#include "engine/precision.h"

namespace tapeline::cpu::TAPELINE_ISA {

#if defined(TAPELINE_BF16)
inline constexpr Precision kPrecision = Precision::bf16;
inline constexpr int kPair = 2;  // factors in a word
#else
inline constexpr Precision kPrecision = Precision::fp32;
inline constexpr int kPair = 1;
#endif

/// How many words hold so many factors.
TAPELINE_INLINE std::int64_t words_of(std::int64_t factors) { return (factors + kPair - 1) / kPair; }

template <typename To, typename From>
TAPELINE_INLINE To as(From from) {
  return __builtin_bit_cast(To, from);
}

/// A word in every lane.
TAPELINE_INLINE Vec broadcast(const float* word) {
#if defined(TAPELINE_BF16)
  std::int32_t bits;
  std::memcpy(&bits, word, sizeof bits);
  return from_bits(Ints{} + bits);
#else
  return Vec(*word);
#endif
}

#if defined(TAPELINE_BF16) && defined(__AVX512BF16__)

/// The sum and the products of the factors in words of a and b.
TAPELINE_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) {
  return _mm512_dpbf16_ps(sum.v, as<__m512bh>(a.v), as<__m512bh>(b.v));
}

/// Words of a factor from each.
TAPELINE_INLINE Vec pair(Vec first, Vec second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                         22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512bh factors = _mm512_cvtne2ps_pbh(second.v, first.v);
  return as<Floats>(_mm512_permutexvar_epi16(order, as<__m512i>(factors)));
}

/// The words of 2 kWidth factors that lie one after the other.
TAPELINE_INLINE Vec pair_neighbours(Vec low, Vec high) {
  return as<Floats>(_mm512_cvtne2ps_pbh(high.v, low.v));
}

/// kWidth factors that lie one after the other.
TAPELINE_INLINE void store_factors(float* row, std::int64_t first, Vec a) {
  const __m256bh factors = _mm512_cvtneps_pbh(a.v);
  std::memcpy(reinterpret_cast<char*>(row) + 2 * first, &factors, sizeof factors);
}

#elif defined(TAPELINE_BF16)

TAPELINE_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) {
  constexpr Ints kUpper = Ints{} + ~0xffff;
  sum = fma(from_bits(bits(a) << 16), from_bits(bits(b) << 16), sum);
  return fma(from_bits(bits(a) & kUpper), from_bits(bits(b) & kUpper), sum);
}

/// The bits of a rounded factor, in the upper half.
TAPELINE_INLINE Ints rounded(Vec a) {
  const Ints b = bits(a), nan = b | 0x400000;
  return ((b & 0x7fffffff) > 0x7f800000 ? nan : b + 0x7fff + ((b >> 16) & 1)) & ~0xffff;
}

TAPELINE_INLINE Vec pair(Vec first, Vec second) {
  return from_bits(((rounded(first) >> 16) & 0xffff) | rounded(second));
}

TAPELINE_INLINE void store_factors(float* row, std::int64_t first, Vec a) {
  using Halves = std::uint16_t __attribute__((vector_size(kWidth * 2)));
  const Halves factors = __builtin_convertvector(rounded(a) >> 16, Halves);
  std::memcpy(reinterpret_cast<char*>(row) + 2 * first, &factors, sizeof factors);
}

TAPELINE_INLINE Vec pair_neighbours(Vec low, Vec high) {
  Floats even, odd;
  for (int i = 0; i < kWidth; ++i) {
    const Vec& from = i < kWidth / 2 ? low : high;
    even[i] = from[2 * i % kWidth];
    odd[i] = from[2 * i % kWidth + 1];
  }
  return pair(even, odd);
}

#else

TAPELINE_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) { return fma(a, b, sum); }

#endif

#if defined(TAPELINE_BF16)

/// words_of(count) words of a row; what the last lacks is zero.
TAPELINE_INLINE void pair_row(float* to, const float* from, std::int64_t count) {
  for (; count >= 2 * kWidth; count -= 2 * kWidth, from += 2 * kWidth, to += kWidth)
    store(to, pair_neighbours(load(from), load(from + kWidth)));
  if (count == 0) return;
  const int left = static_cast<int>(count), low = left < kWidth ? left : kWidth;
  store(to, pair_neighbours(load(from, low), load(from + low, left - low)), (left + 1) / 2);
}

/// Each two of `count` rows become a row of words; what the last lacks is zero.
TAPELINE_INLINE void pair_rows(float* to, std::int64_t to_stride, const float* from, std::int64_t from_stride,
                               std::int64_t count, std::int64_t columns) {
  for (std::int64_t i = 0; i < count; i += 2, to += to_stride, from += 2 * from_stride) {
    const bool both = i + 1 < count;
    std::int64_t j = 0;
    for (; j + kWidth <= columns; j += kWidth)
      store(to + j, pair(load(from + j), both ? load(from + from_stride + j) : Vec()));
    if (j == columns) continue;
    const int left = static_cast<int>(columns - j);
    store(to + j, pair(load(from + j, left), both ? load(from + from_stride + j, left) : Vec()), left);
  }
}

#endif

}  // namespace tapeline::cpu::TAPELINE_ISA
