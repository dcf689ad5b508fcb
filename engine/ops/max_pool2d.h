#pragma once

#include "engine/ops/window.h"
#include "engine/tensor.h"

namespace tapeline {

struct MaxPool2dOptions {
  int height = 2, width = 2;
  int stride_h = 2, stride_w = 2;
  Padding padding = Padding::same();
};

/// The largest value in each window, NHWC: [N, H, W, C] to [N, H', W', C], see window_extent() for H' and W'.
/// Padding never wins. `widths`, i32 [N], is optional: columns w >= widths[n] then count as padding, and a
/// window that sees nothing else gives 0. The gradient goes to the element that won, the first in row-major
/// order among equals. Throws when shapes, types or devices do not fit, the window has more than 255 elements
/// or does not fit on the padded image, or explicit padding is as large as the window.
Tensor max_pool2d(const Tensor& input, const MaxPool2dOptions& options = {}, const Tensor& widths = {});

}  // namespace tapeline
