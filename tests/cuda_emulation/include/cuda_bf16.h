#pragma once

// Stands in for the toolkit's header: bfloat16, with the rounding of the real one.

#include <cuda_runtime.h>

#include "engine/half.h"

struct __nv_bfloat16 {
  std::uint16_t bits;
};

inline __nv_bfloat16 __float2bfloat16_rn(float x) { return {tapeline::float_to_bfloat16(x)}; }
inline __nv_bfloat16 __double2bfloat16(double x) { return {tapeline::double_to_bfloat16(x)}; }
inline float __bfloat162float(__nv_bfloat16 x) { return tapeline::bfloat16_to_float(x.bits); }
