#pragma once

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

/// Sets every element, of any type, to one value, by the rules of Cast.
struct Fill {
  static constexpr std::string_view name = "fill";
  View output;
  double value = 0;

  template <typename In, typename Out>
  void views(In&&, Out&& out) const {
    out(output);
  }
  double flops() const { return 0; }
};

}  // namespace tapeline
