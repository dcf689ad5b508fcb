// What training moves: pixels and integers to f32, and f32 to the 16-bit types and back. All other pairs are
// rare and left to the reference.

#include <cstring>

#include "backends/cpu/bytes.h"
#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

struct HalfToFloat {
  using In = Shorts;
  using Out = Floats;
  TAPELINE_INLINE Floats operator()(Shorts half) const {
    const Ints h = __builtin_convertvector(half, Ints);
    const Ints sign = (h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    const Ints normal = ((exponent + 112) << 23) | (mantissa << 13);
    const Ints special = 0x7f800000 | (mantissa << 13);
    const Ints small = bits(Vec(__builtin_convertvector(mantissa, Floats)) * 0x1p-24f);
    return from_bits(sign | (exponent == 0 ? small : exponent == 31 ? special : normal)).v;
  }
};

/// As float_to_half in engine/half.h.
struct FloatToHalf {
  using In = Floats;
  using Out = Shorts;
  TAPELINE_INLINE Shorts operator()(Floats value) const {
    const Ints b = bits(value), sign = (b >> 16) & 0x8000, magnitude = b & 0x7fffffff;
    const Ints small = bits(from_bits(magnitude) + 0.5f) - 0x3f000000;
    const Ints normal = (magnitude - (112 << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    const Ints nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
    const Ints infinity = magnitude - magnitude + 0x7c00;
    Ints half = magnitude < 0x38800000 ? small : normal;
    half = magnitude >= 0x47800000 ? infinity : half;
    half = magnitude > 0x7f800000 ? nan : half;
    return __builtin_convertvector(sign | half, Shorts);
  }
};

struct BFloat16ToFloat {
  using In = Shorts;
  using Out = Floats;
  TAPELINE_INLINE Floats operator()(Shorts value) const {
    return from_bits(__builtin_convertvector(value, Ints) << 16).v;
  }
};

struct FloatToBFloat16 {
  using In = Floats;
  using Out = Shorts;
  TAPELINE_INLINE Shorts operator()(Floats value) const {
    const Ints b = bits(value);
    const Ints rounded = ((b & 0x7fffffff) + 0x7fff + ((b >> 16) & 1)) >> 16;
    const Ints nan = ((b >> 16) & 0x7fff) | 0x40;
    const Ints result = (b & 0x7fffffff) > 0x7f800000 ? nan : rounded;
    return __builtin_convertvector(result | ((b >> 16) & 0x8000), Shorts);
  }
};

struct ByteToFloat {
  using In = Bytes;
  using Out = Floats;
  TAPELINE_INLINE Floats operator()(Bytes value) const {
    return __builtin_convertvector(to_ints(value), Floats);
  }
};

struct IntToFloat {
  using In = Ints;
  using Out = Floats;
  TAPELINE_INLINE Floats operator()(Ints value) const { return __builtin_convertvector(value, Floats); }
};

template <typename Convert>
void convert(const Cast& k, Context& context, Convert f) {
  using In = typename Convert::In;
  using Out = typename Convert::Out;
  constexpr std::size_t kIn = sizeof(In) / kWidth, kOut = sizeof(Out) / kWidth;
  const auto* input = k.input.data<std::byte>();
  auto* output = k.output.data<std::byte>();
  context.pool.parallel_for(k.output.elements(), kTaskFloats, [=](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); i += kWidth) {
      const std::size_t count = std::min<std::size_t>(kWidth, static_cast<std::size_t>(end) - i);
      In from{};
      if (count == kWidth)
        std::memcpy(&from, input + i * kIn, sizeof from);
      else
        std::memcpy(&from, input + i * kIn, count * kIn);
      const Out to = f(from);
      if (count == kWidth)
        std::memcpy(output + i * kOut, &to, sizeof to);
      else
        std::memcpy(output + i * kOut, &to, count * kOut);
    }
  });
}

}  // namespace

void run(const Cast& k, Context& context) {
  const auto is = [&](DType from, DType to) { return k.input.dtype == from && k.output.dtype == to; };
  if (is(DType::u8, DType::f32)) return convert(k, context, ByteToFloat{});
  if (is(DType::i32, DType::f32)) return convert(k, context, IntToFloat{});
  if (is(DType::f16, DType::f32)) return convert(k, context, HalfToFloat{});
  if (is(DType::f32, DType::f16)) return convert(k, context, FloatToHalf{});
  if (is(DType::bf16, DType::f32)) return convert(k, context, BFloat16ToFloat{});
  if (is(DType::f32, DType::bf16)) return convert(k, context, FloatToBFloat16{});
  reference::run(k);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
