#pragma once

#include <cstdint>
#include <vector>

#include "engine/ops/dropout.h"

namespace tapeline {

/// What the i32 [3] state tensor holds that all dropout layers of a network share. Upload it before every
/// step, and the masks are a pure function of seed, step and layer.
inline std::vector<std::int32_t> dropout_state(std::uint64_t seed, std::int64_t step) {
  return {static_cast<std::int32_t>(static_cast<std::uint32_t>(seed)),
          static_cast<std::int32_t>(static_cast<std::uint32_t>(seed >> 32)),
          static_cast<std::int32_t>(static_cast<std::uint32_t>(step))};
}

/// Drops elements in training, and does nothing otherwise. It has nothing to save. (Dropout is the kernel.)
struct DropoutLayer {
  float rate = 0;            // [0, 1)
  std::uint32_t stream = 0;  // another one for every dropout of a network

  Tensor forward(const Tensor& x, const Tensor& state, bool training) const {
    return training && rate > 0 ? dropout(x, rate, state, stream) : x;
  }
};

}  // namespace tapeline
