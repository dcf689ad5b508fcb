#pragma once

#include "engine/kernels/activation.h"
#include "engine/ops/window.h"
#include "engine/tensor.h"

namespace tapeline {

struct Conv2dOptions {
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int groups = 1;  // input and output channels fall into so many parts that do not see each other
  Padding padding = Padding::same();
  Activation activation = {};
};

/// Convolution (cross-correlation, as everywhere in deep learning) of NHWC images:
///   output[n, y, x, o] = activation(bias[o] + sum over i, j, c of
///       input[n, y * stride_h - top + i * dilation_h, x * stride_w - left + j * dilation_w, first(o) + c]
///       * weight[i, j, c, o])
/// where what lies outside the image is 0, c runs over the C / groups channels of o's group, and first(o) is
/// the first of them. groups == C is a depthwise convolution.
///   input  [N, H, W, C]
///   weight [height, width, C / groups, O]
///   bias   [O], or undefined
///   output [N, H', W', O], see window_extent() for H' and W'
/// Differentiable in input, weight and bias. Throws when shapes, types or devices do not fit, groups do not
/// divide C and O, or the window does not fit on the padded image.
Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});

}  // namespace tapeline
