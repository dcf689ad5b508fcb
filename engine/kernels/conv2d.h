#pragma once

#include <string_view>

#include "engine/kernels/activation.h"
#include "engine/storage.h"

namespace tapeline {

/// A window that slides over the height and width of an image. Output row y reads input rows
/// y * stride_h - pad_top + i * dilation_h for i in [0, height); what lies outside the image is padding. The
/// padding below and at the right follows from the output's size.
struct Window2d {
  int height = 1, width = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;

  /// Whether windows lie side by side: no element is within two of them.
  bool disjoint() const {
    return stride_h > (height - 1) * dilation_h && stride_w > (width - 1) * dilation_w;
  }
};

/// Cross-correlation of NHWC images, zero padded, in `groups` parts: output channel o reads the input
/// channels of group o / (out_channels / groups). groups == in_channels is depthwise.
struct Conv2dGeometry {
  int batch = 0;
  int in_height = 0, in_width = 0, in_channels = 0;
  int out_height = 0, out_width = 0, out_channels = 0;
  int groups = 1;
  Window2d window;

  double multiply_adds() const {
    return static_cast<double>(batch) * out_height * out_width * out_channels * window.height * window.width *
           (in_channels / groups);
  }
};

/// output = activation(input (*) weight + bias)
struct Conv2dForward {
  static constexpr std::string_view name = "conv2d_forward";
  View input;   // [N, H, W, C]
  View weight;  // [window.height, window.width, C / groups, O]
  View bias;    // [O], optional
  View output;  // [N, H', W', O]
  Conv2dGeometry geometry;
  Activation activation;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), in(weight), in(bias), out(output);
  }
  double flops() const { return 2 * geometry.multiply_adds(); }
};

struct Conv2dBackwardInput {
  static constexpr std::string_view name = "conv2d_backward_input";
  View grad_output;  // [N, H', W', O]
  View weight;       // [window.height, window.width, C / groups, O]
  View grad_input;   // [N, H, W, C], overwritten
  Conv2dGeometry geometry;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(grad_output), in(weight), out(grad_input);
  }
  double flops() const { return 2 * geometry.multiply_adds(); }
};

struct Conv2dBackwardWeight {
  static constexpr std::string_view name = "conv2d_backward_weight";
  View input;        // [N, H, W, C]
  View grad_output;  // [N, H', W', O]
  View grad_weight;  // [window.height, window.width, C / groups, O], overwritten
  View grad_bias;    // [O], optional, overwritten
  Conv2dGeometry geometry;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), in(grad_output), out(grad_weight), out(grad_bias);
  }
  double flops() const { return 2 * geometry.multiply_adds(); }
};

}  // namespace tapeline
