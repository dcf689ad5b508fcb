#pragma once

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

/// output = input, with zero in every column w >= widths[n]: what lies right of an image's own width must not
/// reach it through the next layer. The gradient goes through the same kernel. output may be input.
struct MaskColumns {
  static constexpr std::string_view name = "mask_columns";
  View input, output;  // [N, H, W, C]
  View widths;         // i32 [N]

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), in(widths), out(output);
  }
  double flops() const { return 0; }
};

}  // namespace tapeline
