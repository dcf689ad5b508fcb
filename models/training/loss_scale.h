#pragma once

#include <algorithm>
#include <cstdint>

namespace tapeline {

/// Dynamic loss scaling (Micikevicius et al. 2018, "Mixed precision training"). Gradients below 6e-8 vanish
/// when they are rounded to fp16, so the loss is multiplied by a large power of two and the update divides by
/// it. A step whose gradients overflow is left out and the scale halved; after kPatience steps without, it is
/// doubled.
struct LossScale {
  static constexpr std::int64_t kPatience = 2000;
  static constexpr double kLargest = 1 << 24;

  double value = 65536;
  std::int64_t steady = 0;  // steps since it changed

  /// After each step. False: the gradients are not finite, and no scale is to blame.
  bool adapt(bool finite) {
    if (!finite && value <= 1) return false;
    if (!finite)
      value /= 2, steady = 0;
    else if (++steady == kPatience)
      value = std::min(2 * value, kLargest), steady = 0;
    return true;
  }
};

}  // namespace tapeline
