#pragma once

#include <string_view>

#include "engine/kernels/activation.h"
#include "engine/storage.h"

namespace tapeline {

/// c = activation(op(a) op(b) + bias + (accumulate ? c : 0)), row-major, op is transposition or nothing.
/// Operands are taken as matrices by rows, columns, inner, whatever the shapes of their views.
struct Gemm {
  static constexpr std::string_view name = "gemm";
  View a;     // [rows, inner], or [inner, rows] where transpose_a
  View b;     // [inner, columns], or [columns, inner] where transpose_b
  View bias;  // [columns], optional
  View c;     // [rows, columns]
  std::int64_t rows = 0, columns = 0, inner = 0;
  bool transpose_a = false, transpose_b = false, accumulate = false;
  Activation activation;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(a), in(b), in(bias);
    if (accumulate) in(c);
    out(c);
  }
  double flops() const {
    return 2.0 * static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(inner);
  }
};

}  // namespace tapeline
