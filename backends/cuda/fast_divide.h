#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace tapeline::cuda {

/// Division by a number that is known before the kernel starts: a multiplication and a shift, where the
/// device's own division takes some twenty instructions. For 0 <= n < 2^31, 1 <= divisor < 2^31 (Granlund and
/// Montgomery, "Division by invariant integers using multiplication", 1994).
class FastDivide {
 public:
  FastDivide() = default;
  explicit FastDivide(int divisor) : divisor_(divisor) {
    while (shift_ < 31 && (std::uint32_t{1} << shift_) < static_cast<std::uint32_t>(divisor)) ++shift_;
    const std::uint64_t power = std::uint64_t{1} << (32 + shift_);
    multiplier_ =
        static_cast<std::uint32_t>((power - (std::uint64_t{1} << 32) * static_cast<std::uint32_t>(divisor)) /
                                       static_cast<std::uint32_t>(divisor) +
                                   1);
  }
  __device__ int quotient(int n) const {
    const auto u = static_cast<std::uint32_t>(n);
    return static_cast<int>((__umulhi(u, multiplier_) + u) >> shift_);
  }
  __device__ int divisor() const { return divisor_; }

 private:
  int divisor_ = 1, shift_ = 0;
  std::uint32_t multiplier_ = 1;
};

}  // namespace tapeline::cuda
