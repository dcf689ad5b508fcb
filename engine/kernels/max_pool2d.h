#pragma once

#include <string_view>

#include "engine/kernels/conv2d.h"
#include "engine/storage.h"

namespace tapeline {

/// Largest value in each window; padding never wins, and every window holds at least one element that is not
/// padding (where `widths` leaves none, the output is 0). Of equal values the first in row-major order wins.
/// A NaN wins.
struct MaxPool2dForward {
  static constexpr std::string_view name = "max_pool2d_forward";
  View input;   // [N, H, W, C]
  View widths;  // i32 [N], optional: columns w >= widths[n] count as padding
  View output;  // [N, H', W', C]
  View choice;  // u8 [N, H', W', C], optional: row-major position of the winner in its window, 255 for none
  Window2d window;  // height * width <= 255, no dilation

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), in(widths), out(output), out(choice);
  }
  double flops() const { return static_cast<double>(output.elements()) * window.height * window.width; }
};

/// Gives each gradient to the element that won; windows may overlap.
struct MaxPool2dBackward {
  static constexpr std::string_view name = "max_pool2d_backward";
  View choice;       // u8 [N, H', W', C]
  View grad_output;  // [N, H', W', C]
  View grad_input;   // [N, H, W, C], overwritten
  Window2d window;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(choice), in(grad_output), out(grad_input);
  }
  double flops() const { return static_cast<double>(grad_output.elements()); }
};

}  // namespace tapeline
