#pragma once

#include <cstdint>

#include "backends/cuda/context.h"

namespace tapeline::cuda {

/// Scratch memory with these floats as __nv_bfloat16 or __half: what the matrix units multiply, made once for
/// all that read it.
template <typename Half>
const Half* rounded(Context& context, const float* values, std::int64_t count);

}  // namespace tapeline::cuda
