#pragma once

// Winograd's minimal filtering in one dimension: kOutputs results of a filter of three taps from kOutputs + 2
// products. With g the filter, d the kOutputs + 2 values that it meets, and (x) element by element,
//
//   y = A' (G g (x) B' d)
//
// G, B and A evaluate and interpolate polynomials (Toom and Cook). The points are 0, 1, -1 and infinity for
// two results; 0, +-sqrt(1/2), +-sqrt(2) and infinity for four, so that no factor is larger than 3 and the
// rounding errors stay small (tests/engine/cpu_winograd_test.cpp bounds them).
//
// In two dimensions each transform is taken along columns and then along rows. The transposed transforms give
// the gradient of the filter: g' = G' (B' d (x) A y').

#include "backends/cpu/simd.h"

namespace tapeline::cpu::TAPELINE_ISA {

template <int kOutputs>
struct Winograd;

template <>
struct Winograd<2> {
  /// B' d
  TAPELINE_INLINE static void input(const Vec (&d)[4], Vec (&to)[4]) {
    to[0] = d[0] - d[2];
    to[1] = d[2] + d[1];
    to[2] = d[2] - d[1];
    to[3] = d[3] - d[1];
  }
  /// G g
  TAPELINE_INLINE static void filter(const Vec (&g)[3], Vec (&to)[4]) {
    const Vec even = (g[0] + g[2]) * 0.5f, odd = g[1] * 0.5f;
    to[0] = g[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = g[2];
  }
  /// A' m
  TAPELINE_INLINE static void output(const Vec (&m)[4], Vec (&to)[2]) {
    to[0] = m[0] + m[1] + m[2];
    to[1] = m[1] - m[2] + m[3];
  }
  /// A y
  TAPELINE_INLINE static void output_gradient(const Vec (&y)[2], Vec (&to)[4]) {
    to[0] = y[0];
    to[1] = y[0] + y[1];
    to[2] = y[0] - y[1];
    to[3] = y[1];
  }
  /// G' u
  TAPELINE_INLINE static void filter_gradient(const Vec (&u)[4], Vec (&to)[3]) {
    const Vec even = (u[1] + u[2]) * 0.5f;
    to[0] = u[0] + even;
    to[1] = (u[1] - u[2]) * 0.5f;
    to[2] = even + u[3];
  }
};

template <>
struct Winograd<4> {
  static constexpr float kNear = 0.70710678118654752f, kFar = 1.4142135623730951f;

  TAPELINE_INLINE static void input(const Vec (&d)[6], Vec (&to)[6]) {
    const Vec near_even = fma(d[2], -2.0f, d[4]), near_odd = fma(d[1], -2.0f, d[3]);
    const Vec far_even = fma(d[2], -0.5f, d[4]), far_odd = fma(d[1], -0.5f, d[3]);
    to[0] = fma(d[2], -2.5f, d[0] + d[4]);
    to[1] = fma(near_odd, kNear, near_even);
    to[2] = fma(near_odd, -kNear, near_even);
    to[3] = fma(far_odd, kFar, far_even);
    to[4] = fma(far_odd, -kFar, far_even);
    to[5] = fma(d[3], -2.5f, d[1] + d[5]);
  }
  TAPELINE_INLINE static void filter(const Vec (&g)[3], Vec (&to)[6]) {
    const Vec near_even = fma(g[2], 0.5f, g[0]) * (-2.0f / 3), near_odd = g[1] * (-2.0f / 3 * kNear);
    const Vec far_even = fma(g[2], 2.0f, g[0]) * (1.0f / 6), far_odd = g[1] * (1.0f / 6 * kFar);
    to[0] = g[0];
    to[1] = near_even + near_odd;
    to[2] = near_even - near_odd;
    to[3] = far_even + far_odd;
    to[4] = far_even - far_odd;
    to[5] = g[2];
  }
  TAPELINE_INLINE static void output(const Vec (&m)[6], Vec (&to)[4]) {
    const Vec near_sum = m[1] + m[2], near_difference = m[1] - m[2];
    const Vec far_sum = m[3] + m[4], far_difference = m[3] - m[4];
    to[0] = m[0] + near_sum + far_sum;
    to[1] = fma(far_difference, kFar, near_difference * kNear);
    to[2] = fma(far_sum, 2.0f, near_sum * 0.5f);
    to[3] = fma(far_difference, 2 * kFar, fma(near_difference, kNear / 2, m[5]));
  }
  TAPELINE_INLINE static void output_gradient(const Vec (&y)[4], Vec (&to)[6]) {
    const Vec near_even = fma(y[2], 0.5f, y[0]), near_odd = fma(y[3], kNear / 2, y[1] * kNear);
    const Vec far_even = fma(y[2], 2.0f, y[0]), far_odd = fma(y[3], 2 * kFar, y[1] * kFar);
    to[0] = y[0];
    to[1] = near_even + near_odd;
    to[2] = near_even - near_odd;
    to[3] = far_even + far_odd;
    to[4] = far_even - far_odd;
    to[5] = y[3];
  }
  TAPELINE_INLINE static void filter_gradient(const Vec (&u)[6], Vec (&to)[3]) {
    const Vec near_sum = (u[1] + u[2]) * (-2.0f / 3), near_difference = u[1] - u[2];
    const Vec far_sum = (u[3] + u[4]) * (1.0f / 6), far_difference = u[3] - u[4];
    to[0] = u[0] + near_sum + far_sum;
    to[1] = fma(far_difference, kFar / 6, near_difference * (-2.0f / 3 * kNear));
    to[2] = fma(far_sum, 2.0f, fma(near_sum, 0.5f, u[5]));
  }
};

/// to = L from R', where down(column) is L for a column of `from` and across(row) is R for a row.
template <int kFromRows, int kFromColumns, int kToRows, int kToColumns, typename Down, typename Across>
TAPELINE_INLINE void transform_both(const Vec (&from)[kFromRows][kFromColumns],
                                    Vec (&to)[kToRows][kToColumns], Down down, Across across) {
  Vec half[kToRows][kFromColumns];
#pragma GCC unroll 6
  for (int x = 0; x < kFromColumns; ++x) {
    Vec column[kFromRows], result[kToRows];
#pragma GCC unroll 6
    for (int y = 0; y < kFromRows; ++y) column[y] = from[y][x];
    down(column, result);
#pragma GCC unroll 6
    for (int y = 0; y < kToRows; ++y) half[y][x] = result[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < kToRows; ++y) across(half[y], to[y]);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
