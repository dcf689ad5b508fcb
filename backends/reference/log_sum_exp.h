#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace tapeline::reference {

/// ln(sum(exp(x))), count > 0. The largest is taken out of the sum so that nothing overflows.
template <typename T>
double log_sum_exp(const T* x, std::int64_t count) {
  const double largest = *std::max_element(x, x + count);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += std::exp(x[i] - largest);
  return largest + std::log(sum);
}

}  // namespace tapeline::reference
