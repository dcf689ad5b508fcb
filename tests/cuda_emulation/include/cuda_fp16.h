#pragma once

// Stands in for the toolkit's header: IEEE half, with the rounding of the real one. What is computed in half
// is computed in float and rounded, which for one operation gives the same.

#include <cuda_runtime.h>

#include "engine/half.h"

struct __half {
  std::uint16_t bits;
};
using half = __half;

inline __half __float2half_rn(float x) { return {tapeline::float_to_half(x)}; }
inline __half __double2half(double x) { return {tapeline::double_to_half(x)}; }
inline float __half2float(__half x) { return tapeline::half_to_float(x.bits); }
