#pragma once

// Images seen as the matrices of a convolution. Rows are pixels (n, y, x), columns are taps with channels (i,
// j, c), and the element is what the window at that pixel has there: 0 on padding.

#include "backends/cuda/fast_divide.h"
#include "engine/kernels/conv2d.h"

namespace tapeline::cuda {

/// The input as the windows of the output's pixels see it.
template <typename T>
struct WindowGather {
  struct Pixel {
    std::int64_t image;  // of its first element
    int y, x;            // of the window's first tap
  };
  struct Tap {
    int y, x, channel;
  };

  const T* input;
  int height, width, channels, group_channels;
  Window2d window;
  FastDivide out_width, out_height, by_channels, by_window_width;

  WindowGather(const T* data, const Conv2dGeometry& g)
      : input(data),
        height(g.in_height),
        width(g.in_width),
        channels(g.in_channels),
        group_channels(g.in_channels / g.groups),
        window(g.window),
        out_width(g.out_width),
        out_height(g.out_height),
        by_channels(g.in_channels / g.groups),
        by_window_width(g.window.width) {}

  __device__ void select(int group) { input += static_cast<std::int64_t>(group) * group_channels; }
  __device__ Pixel pixel(int p) const {
    const int row = out_width.quotient(p), n = out_height.quotient(row);
    const int x = p - row * out_width.divisor(), y = row - n * out_height.divisor();
    return {static_cast<std::int64_t>(n) * height * width * channels, y * window.stride_h - window.pad_top,
            x * window.stride_w - window.pad_left};
  }
  __device__ Tap tap(int k) const {
    const int position = by_channels.quotient(k), i = by_window_width.quotient(position);
    return {i * window.dilation_h, (position - i * window.width) * window.dilation_w,
            k - position * group_channels};
  }
  __device__ T at(const Pixel& p, const Tap& t) const {
    const int y = p.y + t.y, x = p.x + t.x;
    if (y < 0 || y >= height || x < 0 || x >= width) return T(0);
    return input[p.image + (static_cast<std::int64_t>(y) * width + x) * channels + t.channel];
  }
};

/// The output's gradient as the input's pixels see it: through each tap, the one output whose window has them
/// there.
template <typename T>
struct OutputGather {
  struct Pixel {
    std::int64_t image;
    int y, x;  // with the padding
  };
  struct Tap {
    int y, x, channel;
  };

  const T* grad_output;
  int height, width, channels, group_channels;  // of the output
  Window2d window;
  FastDivide in_width, in_height, by_channels, by_window_width, stride_h, stride_w;

  OutputGather(const T* data, const Conv2dGeometry& g)
      : grad_output(data),
        height(g.out_height),
        width(g.out_width),
        channels(g.out_channels),
        group_channels(g.out_channels / g.groups),
        window(g.window),
        in_width(g.in_width),
        in_height(g.in_height),
        by_channels(g.out_channels / g.groups),
        by_window_width(g.window.width),
        stride_h(g.window.stride_h),
        stride_w(g.window.stride_w) {}

  __device__ void select(int group) { grad_output += static_cast<std::int64_t>(group) * group_channels; }
  __device__ Pixel pixel(int p) const {
    const int row = in_width.quotient(p), n = in_height.quotient(row);
    const int x = p - row * in_width.divisor(), y = row - n * in_height.divisor();
    return {static_cast<std::int64_t>(n) * height * width * channels, y + window.pad_top,
            x + window.pad_left};
  }
  __device__ Tap tap(int k) const {
    const int position = by_channels.quotient(k), i = by_window_width.quotient(position);
    return {i * window.dilation_h, (position - i * window.width) * window.dilation_w,
            k - position * group_channels};
  }
  __device__ T at(const Pixel& p, const Tap& t) const {
    const int down = p.y - t.y, right = p.x - t.x;
    if (down < 0 || right < 0) return T(0);
    const int y = stride_h.quotient(down), x = stride_w.quotient(right);
    if (y >= height || x >= width || y * window.stride_h != down || x * window.stride_w != right) return T(0);
    return grad_output[p.image + (static_cast<std::int64_t>(y) * width + x) * channels + t.channel];
  }
};

/// As the left operand of a product whose k runs over taps.
template <typename Gather, typename T>
struct OverTaps : Gather {
  static constexpr bool kAlongK = true;
  using Outer = typename Gather::Pixel;
  using Gather::Gather;
  __device__ Outer outer(int p) const { return this->pixel(p); }
  __device__ typename Gather::Tap inner(int k) const { return this->tap(k); }
  __device__ T load(const Outer& o, const typename Gather::Tap& i) const { return this->at(o, i); }
};

/// As the left operand of a product whose k runs over pixels.
template <typename Gather, typename T>
struct OverPixels : Gather {
  static constexpr bool kAlongK = false;
  using Outer = typename Gather::Tap;
  using Gather::Gather;
  __device__ Outer outer(int k) const { return this->tap(k); }
  __device__ typename Gather::Pixel inner(int p) const { return this->pixel(p); }
  __device__ T load(const Outer& o, const typename Gather::Pixel& i) const { return this->at(i, o); }
};

}  // namespace tapeline::cuda
