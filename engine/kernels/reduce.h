#pragma once

#include <array>
#include <string_view>

#include "engine/storage.h"

namespace tapeline {

enum class ReduceKind : std::uint8_t { sum, mean, maximum };

/// Reduces every axis on which output has extent 1 and input has not. Both have the same rank. Sums are
/// accumulated in f64, in an order that does not depend on the number of threads. Over no elements: sum 0,
/// mean NaN, maximum -infinity. NaN is the largest.
struct Reduce {
  static constexpr std::string_view name = "reduce";
  View input, output;
  ReduceKind kind = ReduceKind::sum;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), out(output);
  }
  double flops() const { return static_cast<double>(input.elements()); }
};

}  // namespace tapeline
