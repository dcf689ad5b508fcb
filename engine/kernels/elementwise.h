#pragma once

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

enum class BinaryKind : std::uint8_t { add, subtract, multiply, divide, maximum, minimum };

/// output = a (op) b with broadcasting: both are aligned at the innermost axis, extents of 1 stretch. output
/// may be an operand of its own shape. Of maximum and minimum, NaN wins.
struct Binary {
  static constexpr std::string_view name = "binary";
  View a, b;
  View output;  // broadcast(a, b)
  BinaryKind kind = BinaryKind::add;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(a), in(b), out(output);
  }
  double flops() const { return static_cast<double>(output.elements()); }
};

enum class UnaryKind : std::uint8_t { affine, exp, log, sqrt, square, reciprocal, abs, sign };

/// output = f(input); affine is input * scale + offset. output may be input.
struct Unary {
  static constexpr std::string_view name = "unary";
  View input, output;  // any shape
  UnaryKind kind = UnaryKind::affine;
  double scale = 1, offset = 0;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), out(output);
  }
  double flops() const { return static_cast<double>(output.elements()); }
};

}  // namespace tapeline
