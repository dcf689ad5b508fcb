#pragma once

// Vec: as many floats as fit a register of the instruction set that this file is compiled for (4, 8 or 16),
// on the vector extensions of GCC and Clang; and exp, log, tanh and sigmoid on it. For kernel files only: the
// names live in the instruction set's own namespace, and everything is inlined.

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define TAPELINE_INLINE [[gnu::always_inline]] inline

namespace tapeline::cpu::TAPELINE_ISA {

#if defined(__AVX512F__)
inline constexpr int kWidth = 16;
#elif defined(__AVX2__)
inline constexpr int kWidth = 8;
#else
inline constexpr int kWidth = 4;
#endif

using Floats = float __attribute__((vector_size(kWidth * 4)));
using Ints = std::int32_t __attribute__((vector_size(kWidth * 4)));
using Uints = std::uint32_t __attribute__((vector_size(kWidth * 4)));
using UnalignedFloats = float __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));

struct Vec {
  Floats v;

  TAPELINE_INLINE Vec() : v{} {}
  TAPELINE_INLINE Vec(Floats values) : v(values) {}
  TAPELINE_INLINE Vec(float value) : v(value - Floats{}) {}  // in every lane

  TAPELINE_INLINE Vec& operator+=(Vec b) { return v += b.v, *this; }
  TAPELINE_INLINE Vec& operator-=(Vec b) { return v -= b.v, *this; }
  TAPELINE_INLINE Vec& operator*=(Vec b) { return v *= b.v, *this; }
  TAPELINE_INLINE float operator[](int lane) const { return v[lane]; }
};

/// One truth value a lane, all bits set or none.
struct Mask {
  Ints v;
};

TAPELINE_INLINE Vec operator+(Vec a, Vec b) { return a.v + b.v; }
TAPELINE_INLINE Vec operator-(Vec a, Vec b) { return a.v - b.v; }
TAPELINE_INLINE Vec operator*(Vec a, Vec b) { return a.v * b.v; }
TAPELINE_INLINE Vec operator/(Vec a, Vec b) { return a.v / b.v; }
TAPELINE_INLINE Vec operator-(Vec a) { return -a.v; }
TAPELINE_INLINE Mask operator<(Vec a, Vec b) { return {a.v < b.v}; }
TAPELINE_INLINE Mask operator<=(Vec a, Vec b) { return {a.v <= b.v}; }
TAPELINE_INLINE Mask operator>(Vec a, Vec b) { return {a.v > b.v}; }
TAPELINE_INLINE Mask operator>=(Vec a, Vec b) { return {a.v >= b.v}; }
TAPELINE_INLINE Mask operator==(Vec a, Vec b) { return {a.v == b.v}; }
TAPELINE_INLINE Mask operator!=(Vec a, Vec b) { return {a.v != b.v}; }
TAPELINE_INLINE Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
TAPELINE_INLINE Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
TAPELINE_INLINE Mask operator~(Mask a) { return {~a.v}; }

TAPELINE_INLINE Ints bits(Vec a) {
  Ints result;
  std::memcpy(&result, &a.v, sizeof result);
  return result;
}
TAPELINE_INLINE Vec from_bits(Ints a) {
  Floats result;
  std::memcpy(&result, &a, sizeof result);
  return result;
}

/// a b + c, rounded once where the processor can.
TAPELINE_INLINE Vec fma(Vec a, Vec b, Vec c) { return a.v * b.v + c.v; }
TAPELINE_INLINE Vec select(Mask mask, Vec yes, Vec no) { return mask.v ? yes.v : no.v; }
TAPELINE_INLINE bool any(Mask mask) {
  bool result = false;
  for (int i = 0; i < kWidth; ++i) result |= mask.v[i] != 0;
  return result;
}

/// The larger; a where that is NaN. (So max(x, 0) keeps a NaN.) The forms with a mask are those of which GCC
/// 12 does not warn wrongly.
TAPELINE_INLINE Vec max(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, b.v, a.v);
#elif defined(__AVX2__)
  return _mm256_max_ps(b.v, a.v);
#else
  return select(a < b, b, a);
#endif
}
/// The smaller; a where that is NaN.
TAPELINE_INLINE Vec min(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(0xffff, b.v, a.v);
#elif defined(__AVX2__)
  return _mm256_min_ps(b.v, a.v);
#else
  return select(b < a, b, a);
#endif
}
TAPELINE_INLINE Vec abs(Vec a) { return from_bits(bits(a) & 0x7fffffff); }
TAPELINE_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  return from_bits((bits(magnitude) & 0x7fffffff) | (bits(sign) & INT32_MIN));
}
TAPELINE_INLINE Vec sqrt(Vec a) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xffff, a.v);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(a.v);
#else
  for (int i = 0; i < kWidth; ++i) a.v[i] = __builtin_sqrtf(a.v[i]);
  return a;
#endif
}

/// No alignment is asked of any address.
TAPELINE_INLINE Vec load(const float* from) { return *reinterpret_cast<const UnalignedFloats*>(from); }
TAPELINE_INLINE void store(float* to, Vec a) { *reinterpret_cast<UnalignedFloats*>(to) = a.v; }

#if defined(__AVX2__) && !defined(__AVX512F__)
TAPELINE_INLINE __m256i first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/// The first `count` lanes, 0 .. kWidth; the others are 0, and their memory is not touched.
TAPELINE_INLINE Vec load(const float* from, int count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
#elif defined(__AVX2__)
  return _mm256_maskload_ps(from, first_lanes(count));
#else
  Vec result;
  for (int i = 0; i < count; ++i) result.v[i] = from[i];
  return result;
#endif
}
TAPELINE_INLINE void store(float* to, Vec a, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), a.v);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(to, first_lanes(count), a.v);
#else
  for (int i = 0; i < count; ++i) to[i] = a.v[i];
#endif
}

/// The sum of all lanes, halves added to halves.
TAPELINE_INLINE float sum(Vec a) {
  float lanes[kWidth];
  store(lanes, a);
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}
/// The largest lane; NaN lanes may be passed over.
TAPELINE_INLINE float maximum(Vec a) {
  float lanes[kWidth];
  store(lanes, a);
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] < lanes[i + half] ? lanes[i + half] : lanes[i];
  return lanes[0];
}

/// e^x within 1.5 ulp; 0 below the smallest normal result, infinity above the largest.
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r is a polynomial (coefficients of Cephes' expf), 2^n is made of
/// bits.
TAPELINE_INLINE Vec exp(Vec x) {
  x = max(min(x, 89.0f), -104.0f);
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  const Vec shifted = fma(x, 1.44269504088896341f, kRound);
  const Ints n = bits(shifted) - bits(Vec(kRound));
  const Vec whole = shifted - kRound;
  Vec r = fma(whole, -0.693359375f, x);
  r = fma(whole, 2.12194440e-4f, r);
  Vec p = fma(1.9875691500e-4f, r, 1.3981999507e-3f);
  p = fma(p, r, 8.3334519073e-3f);
  p = fma(p, r, 4.1665795894e-2f);
  p = fma(p, r, 1.6666665459e-1f);
  p = fma(p, r, 5.0000001201e-1f);
  p = fma(p, r * r, r) + 1.0f;
  const Ints half = n >> 1;  // 2^n in two factors: n reaches 128 and -150
  return p * from_bits((half + 127) << 23) * from_bits((n - half + 127) << 23);
}

/// ln x within 1.5 ulp; -infinity at 0, NaN below.
/// x = 2^n m with sqrt(1/2) <= m < sqrt(2); ln m is a polynomial in m - 1 (coefficients of Cephes' logf).
TAPELINE_INLINE Vec log(Vec x) {
  constexpr float kInfinity = __builtin_inff();
  const Mask tiny = x < 1.17549435e-38f;
  const Vec scaled = select(tiny, x * 8388608.0f, x);
  const Ints b = bits(scaled);
  const Ints n0 = ((b >> 23) & 0xff) - 126;
  const Vec m0 = from_bits((b & 0x007fffff) | 0x3f000000);
  const Mask low = m0 < 0.707106781186547524f;
  const Vec m = select(low, m0 + m0, m0) - 1.0f;
  const Ints n = n0 + low.v + (tiny.v & -23);  // a true mask is -1
  const Vec e = Vec(__builtin_convertvector(n, Floats));
  const Vec z = m * m;
  Vec p = fma(7.0376836292e-2f, m, -1.1514610310e-1f);
  p = fma(p, m, 1.1676998740e-1f);
  p = fma(p, m, -1.2420140846e-1f);
  p = fma(p, m, 1.4249322787e-1f);
  p = fma(p, m, -1.6668057665e-1f);
  p = fma(p, m, 2.0000714765e-1f);
  p = fma(p, m, -2.4999993993e-1f);
  p = fma(p, m, 3.3333331174e-1f);
  p = p * m * z;
  p = fma(e, -2.12194440e-4f, p);
  p = fma(z, -0.5f, p);
  Vec result = fma(e, 0.693359375f, m + p);
  result = select(x == Vec(kInfinity), x, result);
  result = select(x == Vec(0.0f), Vec(-kInfinity), result);
  return select(x >= Vec(0.0f), result, Vec(__builtin_nanf("")));
}

/// 1 / (1 + e^-x) within 2.5 ulp.
TAPELINE_INLINE Vec sigmoid(Vec x) { return Vec(1.0f) / (Vec(1.0f) + exp(-x)); }

/// tanh x within 2.5 ulp: an odd polynomial near 0 (coefficients of Cephes' tanhf), else 1 - 2 / (e^2x + 1).
TAPELINE_INLINE Vec tanh(Vec x) {
  const Vec a = abs(x), z = x * x;
  Vec p = fma(-5.70498872745e-3f, z, 2.06390887954e-2f);
  p = fma(p, z, -5.37397155531e-2f);
  p = fma(p, z, 1.33314422036e-1f);
  p = fma(p, z, -3.33332819422e-1f);
  p = fma(p * z, x, x);
  const Vec far = Vec(1.0f) - Vec(2.0f) / (exp(a + a) + Vec(1.0f));
  return select(a < Vec(0.625f), p, copy_sign(far, x));
}

}  // namespace tapeline::cpu::TAPELINE_ISA
