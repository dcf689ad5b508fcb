// What the processor can do at most: independent multiply-adds that stay in registers.

#include "backends/cpu/kernels.h"
#include "backends/cpu/simd.h"

namespace tapeline::cpu::TAPELINE_ISA {

double multiply_add(int rounds) {
  constexpr int kChains = 12, kSteps = 160;
  Vec sums[kChains];
  // Unknown to the compiler, which would leave out a chain that begins at its fixed point.
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) sums[c] = Vec(static_cast<float>(rounds + c));
  const Vec factor(0.999f), addend(0.001f);
  for (int round = 0; round < rounds; ++round)
    for (int step = 0; step < kSteps; ++step)
#pragma GCC unroll 12
      for (int c = 0; c < kChains; ++c) sums[c] = fma(sums[c], factor, addend);
  Vec total = sums[0];
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) total += sums[c];
  volatile float keep = sum(total);
  static_cast<void>(keep);
  return static_cast<double>(rounds) * kSteps * kChains * kWidth;
}

}  // namespace tapeline::cpu::TAPELINE_ISA
