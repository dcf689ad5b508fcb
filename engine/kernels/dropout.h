#pragma once

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

/// output[i] = keep(i) ? input[i] / (1 - rate) : 0. The mask is a pure function of (state, stream, i), the
/// same on every backend, so the way back is this kernel again, on the gradient. Element i takes word i % 4
/// of philox(counter = {i / 4, step, stream, 0}, key = {seed low, seed high}) and is kept where (word >> 8) *
/// 2^-24 >= rate. output may be input. Up to 2^34 elements.
struct Dropout {
  static constexpr std::string_view name = "dropout";
  View input, output;  // any shape
  View state;          // i32 [3]: seed low, seed high, step; in memory, so that a replayed program draws anew
  std::uint32_t stream = 0;  // tells the dropout layers of a network apart
  float rate = 0;            // [0, 1)

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), in(state), out(output);
  }
  double flops() const { return static_cast<double>(input.elements()); }
};

}  // namespace tapeline
