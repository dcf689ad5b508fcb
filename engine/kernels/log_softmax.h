#pragma once

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

/// output = input - ln(sum(exp(input))) over the innermost axis.
struct LogSoftmaxForward {
  static constexpr std::string_view name = "log_softmax_forward";
  View input, output;  // [..., C]

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), out(output);
  }
  double flops() const { return 4.0 * static_cast<double>(input.elements()); }
};

/// grad_input = grad_output - exp(output) * sum(grad_output) over the innermost axis.
struct LogSoftmaxBackward {
  static constexpr std::string_view name = "log_softmax_backward";
  View output, grad_output, grad_input;  // [..., C]

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(output), in(grad_output), out(grad_input);
  }
  double flops() const { return 4.0 * static_cast<double>(output.elements()); }
};

}  // namespace tapeline
