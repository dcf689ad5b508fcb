#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backends/vulkan/kernels.h"
#include "engine/half.h"
#include "shaders/fill.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kFill{"fill", fill_spv};

struct Push {
  std::uint32_t words, even, odd, last_word_mask;
};

template <typename T>
std::uint32_t integer(double value) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(value)) return 0;
  return static_cast<std::uint32_t>(static_cast<T>(std::clamp<double>(value, Limits::min(), Limits::max())));
}

/// The value as the type holds it, repeated where that is narrow.
std::uint64_t pattern(DType dtype, double value) {
  constexpr std::uint64_t kTwice = 0x1'0000'0001, kFourTimes = 0x1'0001'0001'0001,
                          kEightTimes = 0x101'0101'0101'0101;
  switch (dtype) {
    case DType::f64:
      return std::bit_cast<std::uint64_t>(value);
    case DType::f32:
      return kTwice * std::bit_cast<std::uint32_t>(static_cast<float>(value));
    case DType::i32:
      return kTwice * integer<std::int32_t>(value);
    case DType::f16:
      return kFourTimes * double_to_half(value);
    case DType::bf16:
      return kFourTimes * double_to_bfloat16(value);
    case DType::u8:
      return kEightTimes * integer<std::uint8_t>(value);
  }
  return 0;
}

}  // namespace

void plan(const Fill& k, Plan& plan) {
  const std::uint64_t bits = pattern(k.output.dtype, k.value);
  const std::size_t bytes = k.output.bytes(), words = (bytes + 3) / 4, rest = bytes % 4;
  plan.dispatch(kFill, {both(k.output)},
                Push{narrow(static_cast<std::int64_t>(words)), static_cast<std::uint32_t>(bits),
                     static_cast<std::uint32_t>(bits >> 32), rest == 0 ? ~0u : (1u << (8 * rest)) - 1},
                one_each(static_cast<std::int64_t>(words)));
}

}  // namespace tapeline::vulkan
