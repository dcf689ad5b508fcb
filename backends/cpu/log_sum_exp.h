#pragma once

// ln(sum(exp(x))) of a row. For kernel files only.

#include "backends/cpu/across_lanes.h"
#include "backends/cpu/lanes.h"

namespace tapeline::cpu::TAPELINE_ISA {

/// In two terms, so that a caller who takes it from x loses nothing where both are large.
struct LogSumExp {
  float largest, rest;
  float sum;  // of e^(x - largest); rest is its logarithm
};

struct SumExp {
  float largest, sum;  // of the row; of e^(x - largest)
};

/// count > 0. NaN where the row holds one. Keeps the terms of the sum where `terms` is given. `exp_of` is e^x
/// for x <= 0.
template <typename Exp>
TAPELINE_INLINE SumExp sum_exp(const float* x, std::int64_t count, float* terms, Exp exp_of) {
  constexpr float kInfinity = __builtin_inff();
  Vec top(-kInfinity), sums;
  for_vectors(
      0, count, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
        top = max(load(x + i, lanes, -kInfinity), top);
      });
  const float largest = largest_lane(top);
  for_vectors(
      0, count, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
        const Vec term = exp_of(load(x + i, lanes, -kInfinity) - largest);
        sums += term;
        if (terms) store(terms + i, term, lanes);
      });
  return {largest, sum_of_lanes(sums)};
}

/// Likewise.
TAPELINE_INLINE LogSumExp log_sum_exp(const float* x, std::int64_t count, float* terms = nullptr) {
  const auto [largest, sum] = sum_exp(
      x, count, terms, [](Vec a) __attribute__((always_inline)) { return exp(a); });
  return {largest, log(Vec(sum))[0], sum};
}

}  // namespace tapeline::cpu::TAPELINE_ISA
