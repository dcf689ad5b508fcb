// Philox (engine/random.h) for as many counters at once as a vector has lanes. Lane l of word w belongs to
// element 4 l + w, so the four words are woven into each other before use.

#include <utility>

#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

using Longs = std::uint64_t __attribute__((vector_size(kWidth * 4)));

/// The products of the lower halves of a's 64-bit lanes.
TAPELINE_INLINE Longs multiply_lower(Longs a, std::uint32_t b) {
#if defined(__AVX512F__)
  return reinterpret_cast<Longs>(
      _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), _mm512_set1_epi64(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Longs>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(b)));
#else
  return (a & 0xffffffffu) * b;
#endif
}

struct Product {
  Uints low, high;
};
TAPELINE_INLINE Product multiply(Uints a, std::uint32_t b) {
  const Longs pairs = reinterpret_cast<Longs>(a);
  const Longs even = multiply_lower(pairs, b), odd = multiply_lower(pairs >> 32, b);
  return {reinterpret_cast<Uints>((even & 0xffffffffu) | (odd << 32)),
          reinterpret_cast<Uints>((even >> 32) | (odd & 0xffffffff00000000u))};
}

struct Words {
  Uints word[4];
};

TAPELINE_INLINE Words philox(Words counter, std::uint32_t key0, std::uint32_t key1) {
  constexpr std::uint32_t kA = 0xD2511F53u, kB = 0xCD9E8D57u;
  auto& [x0, x1, x2, x3] = counter.word;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const Product a = multiply(x0, kA), b = multiply(x2, kB);
    x0 = b.high ^ x1 ^ key0;
    x1 = b.low;
    x2 = a.high ^ x3 ^ key1;
    x3 = a.low;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// a and b in turn, from lane `first` of both.
template <int first, int... i>
TAPELINE_INLINE Uints weave(Uints a, Uints b, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, (first + i / 2 + i % 2 * kWidth)...);
}

TAPELINE_INLINE Words weave(const Words& words) {
  using All = std::make_integer_sequence<int, kWidth>;
  constexpr int kHalf = kWidth / 2;
  const Uints even_low = weave<0>(words.word[0], words.word[2], All{});
  const Uints even_high = weave<kHalf>(words.word[0], words.word[2], All{});
  const Uints odd_low = weave<0>(words.word[1], words.word[3], All{});
  const Uints odd_high = weave<kHalf>(words.word[1], words.word[3], All{});
  return {{weave<0>(even_low, odd_low, All{}), weave<kHalf>(even_low, odd_low, All{}),
           weave<0>(even_high, odd_high, All{}), weave<kHalf>(even_high, odd_high, All{})}};
}

}  // namespace

void run(const Dropout& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const float* input = k.input.data<float>();
  float* output = k.output.data<float>();
  const auto* state = k.state.data<std::uint32_t>();
  const std::uint32_t key0 = state[0], key1 = state[1], step = state[2], stream = k.stream;
  const Vec scale(static_cast<float>(1 / (1 - static_cast<double>(k.rate))));
  // word >> 8 >= limit is (word >> 8) * 2^-24 >= rate.
  const double scaled = static_cast<double>(k.rate) * 0x1p24;
  const auto floor = static_cast<std::int32_t>(scaled);
  const std::int32_t limit = floor < scaled ? floor + 1 : floor;

  Uints lane;
  for (int i = 0; i < kWidth; ++i) lane[i] = static_cast<std::uint32_t>(i);
  context.pool.parallel_for(k.output.elements(), kTaskFloats / 4, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += 4 * kWidth) {
      const Uints zero = lane - lane;
      const Words random = weave(
          philox({{lane + static_cast<std::uint32_t>(i / 4), zero + step, zero + stream, zero}}, key0, key1));
      for (int w = 0; w < 4; ++w) {
        const std::int64_t at = i + w * kWidth;
        const int lanes = static_cast<int>(std::clamp<std::int64_t>(end - at, 0, kWidth));
        const Mask keep{reinterpret_cast<Ints>(random.word[w] >> 8) >= limit};
        if (lanes == kWidth)
          store(output + at, select(keep, load(input + at) * scale, 0.0f));
        else
          store(output + at, select(keep, load(input + at, lanes) * scale, 0.0f), lanes);
      }
    }
  });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
