#pragma once

// Sums of floats in double, for kernel files only.

#include <cstdint>

#include "backends/cpu/simd.h"

namespace tapeline::cpu::TAPELINE_ISA {

/// The sum of f(x[i]), in 32 chains on every processor.
template <typename F>
TAPELINE_INLINE double sum_in_double(const float* x, std::int64_t count, F f) {
  constexpr int kChains = 32;
  double sums[kChains] = {};
  std::int64_t i = 0;
  for (; i + kChains <= count; i += kChains)
    for (int chain = 0; chain < kChains; ++chain) sums[chain] += f(static_cast<double>(x[i + chain]));
  for (int chain = 0; i < count; ++i, ++chain) sums[chain] += f(static_cast<double>(x[i]));
  for (int half = kChains / 2; half > 0; half /= 2)
    for (int chain = 0; chain < half; ++chain) sums[chain] += sums[chain + half];
  return sums[0];
}

}  // namespace tapeline::cpu::TAPELINE_ISA
