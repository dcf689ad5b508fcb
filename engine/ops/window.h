#pragma once

// Where a sliding window can stand along one axis of an image: shared by convolution, pooling, and all who
// need to know how wide a feature map will be.

#include <cstdint>

namespace tapeline {

enum class PaddingKind : std::uint8_t { same, valid, explicit_ };

/// Padding along one axis; `before` and `after` count only where the kind is explicit_.
struct AxisPadding {
  PaddingKind kind = PaddingKind::valid;
  int before = 0, after = 0;
};

/// Padding of height and width.
struct Padding {
  AxisPadding height, width;

  /// As much as makes the output ceil(input / stride) large, the smaller half above and at the left
  /// (TensorFlow's SAME).
  static Padding same() { return {{PaddingKind::same, 0, 0}, {PaddingKind::same, 0, 0}}; }
  /// None.
  static Padding valid() { return {}; }
  /// So many rows and columns; none may be negative.
  static Padding explicit_(int top, int bottom, int left, int right) {
    return {{PaddingKind::explicit_, top, bottom}, {PaddingKind::explicit_, left, right}};
  }
};

struct WindowExtent {
  int output = 0;   // number of places the window stands at
  int leading = 0;  // padding before the first element; what follows the last one is implied
};

/// Places of a window of `size` elements, `dilation` apart, on an axis of `input` elements.
///   same:      output = ceil(input / stride),
///              leading = max((output - 1) * stride + (size - 1) * dilation + 1 - input, 0) / 2
///   otherwise: output = (before + input + after - (size - 1) * dilation - 1) / stride + 1, leading = before
/// With SAME and a stride, `leading` depends on `input`: an image that is to give the same columns in any
/// batch must be padded by whole strides, or explicitly. Throws, naming `op` and `axis` ("height"), when
/// size, stride or dilation is below 1, a padding is negative, or the window is larger than the padded axis.
WindowExtent window_extent(const char* op, const char* axis, std::int64_t input, int size, int stride,
                           int dilation, const AxisPadding& padding);

}  // namespace tapeline
