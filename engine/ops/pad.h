#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace tapeline {

/// x with before[i] elements in front of axis i and after[i] behind it, all of them `value`. Any type;
/// differentiable. Throws when there is not one number for each axis, or one is negative.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           double value = 0);

}  // namespace tapeline
