#pragma once

// Which way a convolution is computed. The choice follows from what all images of a layer share (window,
// channels, height), never from their number or width: an image has the same bits alone and in a batch.

#include "engine/kernels/conv2d.h"
#include "engine/precision.h"

namespace tapeline::cpu {

/// Outputs of a Winograd tile; none: directly.
struct WinogradTile {
  int height = 0, width = 0;
  explicit operator bool() const { return height > 0; }
};

/// Winograd's method is for windows of 3x3 that move by one, where both sides have enough channels for the
/// products to outweigh the transforms.
inline bool suits_winograd(const Conv2dGeometry& g) {
  constexpr int kFewChannels = 32;
  const Window2d& w = g.window;
  return w.height == 3 && w.width == 3 && w.stride_h == 1 && w.stride_w == 1 && w.dilation_h == 1 &&
         w.dilation_w == 1 && g.groups == 1 && g.in_channels >= kFewChannels &&
         g.out_channels >= kFewChannels;
}

/// Forward and gradient of the input. Low images have smaller tiles: few tiles use the transformed weights,
/// and reading them costs more than the products that a larger tile saves. In bf16, where products cost half
/// as much, tiles of 4x2 are as fast as those of 4x4, and round half as wrongly.
inline WinogradTile winograd_tile(const Conv2dGeometry& g, Precision precision) {
  if (!suits_winograd(g)) return {};
  if (g.out_height <= 2) return {2, 2};
  return {4, g.out_height <= 4 || precision == Precision::bf16 ? 2 : 4};
}

/// Gradient of the weights.
inline WinogradTile winograd_weight_tile(const Conv2dGeometry& g) {
  if (!suits_winograd(g)) return {};
  return {4, 4};
}

}  // namespace tapeline::cpu
