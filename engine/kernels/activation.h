#pragma once

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

enum class ActivationKind : std::uint8_t { none, relu, relu6, leaky_relu, sigmoid, tanh };

/// A pointwise function, alone or fused into the end of another kernel. Every one of them has a derivative
/// that can be had from the result alone, so nothing but the result is kept for the way back. NaN stays NaN.
struct Activation {
  ActivationKind kind = ActivationKind::none;
  float slope = 0;  // of leaky_relu where the input is negative; > 0

  explicit operator bool() const { return kind != ActivationKind::none; }
  bool operator==(const Activation&) const = default;
};

/// output = activation(input). output may be input.
struct ActivationForward {
  static constexpr std::string_view name = "activation_forward";
  View input, output;  // any shape
  Activation activation;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), out(output);
  }
  double flops() const { return static_cast<double>(output.elements()); }
};

/// grad_input = grad_output * activation'(input), the derivative taken from output = activation(input):
/// relu: output > 0; relu6: 0 < output < 6; leaky: output > 0 ? 1 : slope; sigmoid: y (1 - y); tanh: 1 - y^2.
/// grad_input may be grad_output.
struct ActivationBackward {
  static constexpr std::string_view name = "activation_backward";
  View output, grad_output, grad_input;
  Activation activation;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(output), in(grad_output), out(grad_input);
  }
  double flops() const { return 2.0 * static_cast<double>(output.elements()); }
};

}  // namespace tapeline
