#pragma once

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

/// output[i] = input[i] in another type, any of DType to any other. To f16 and bf16: round to nearest, ties
/// to even; what is too large becomes infinite. To an integer type: truncated, clamped to the range; NaN
/// becomes 0.
struct Cast {
  static constexpr std::string_view name = "cast";
  View input, output;  // any shape

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), out(output);
  }
  double flops() const { return 0; }
};

}  // namespace tapeline
