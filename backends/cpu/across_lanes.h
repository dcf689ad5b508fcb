#pragma once

// One number from all lanes of a vector, by shuffles alone, for loops over short rows. For kernel files only.

#include <utility>

#include "backends/cpu/simd.h"

namespace tapeline::cpu::TAPELINE_ISA {

template <int kDistance, int... i>
TAPELINE_INLINE Vec rotate_lanes(Vec a, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a.v, a.v, ((i + kDistance) % kWidth)...);
}

/// Lane 0 of what remains when halves are joined with halves.
template <int kHalf = kWidth / 2, typename Join>
TAPELINE_INLINE float join_lanes(Vec a, Join join) {
  a = join(a, rotate_lanes<kHalf>(a, std::make_integer_sequence<int, kWidth>{}));
  if constexpr (kHalf > 1)
    return join_lanes<kHalf / 2>(a, join);
  else
    return a[0];
}

TAPELINE_INLINE float sum_of_lanes(Vec a) {
  return join_lanes(
      a, [](Vec x, Vec y) __attribute__((always_inline)) { return x + y; });
}
/// NaN lanes may be passed over.
TAPELINE_INLINE float largest_lane(Vec a) {
  return join_lanes(
      a, [](Vec x, Vec y) __attribute__((always_inline)) { return max(x, y); });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
