#pragma once

// Images seen as the matrices of a convolution. Rows are pixels (n, y, x), columns are taps with channels (i,
// j, c), and the element is what the window at that pixel has there: found in the image, or nowhere on
// padding, where it is 0.

#include "backends/cuda/fast_divide.h"
#include "backends/cuda/gemm_pipeline.h"
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

  const T* data;
  int height, width, channels, group_channels;
  Window2d window;
  FastDivide out_width, out_height, by_channels, by_window_width;

  WindowGather(const T* input, const Conv2dGeometry& g)
      : data(input),
        height(g.in_height),
        width(g.in_width),
        channels(g.in_channels),
        group_channels(g.in_channels / g.groups),
        window(g.window),
        out_width(g.out_width),
        out_height(g.out_height),
        by_channels(g.in_channels / g.groups),
        by_window_width(g.window.width) {}

  __device__ void select(int group) { data += static_cast<std::int64_t>(group) * group_channels; }
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
  __device__ const T* find(const Pixel& p, const Tap& t) const {
    const int y = p.y + t.y, x = p.x + t.x;
    if (y < 0 || y >= height || x < 0 || x >= width) return nullptr;
    return data + p.image + (static_cast<std::int64_t>(y) * width + x) * channels + t.channel;
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

  const T* data;
  int height, width, channels, group_channels;  // of the output
  Window2d window;
  FastDivide in_width, in_height, by_channels, by_window_width, stride_h, stride_w;

  OutputGather(const T* grad_output, const Conv2dGeometry& g)
      : data(grad_output),
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

  __device__ void select(int group) { data += static_cast<std::int64_t>(group) * group_channels; }
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
  __device__ const T* find(const Pixel& p, const Tap& t) const {
    const int down = p.y - t.y, right = p.x - t.x;
    if (down < 0 || right < 0) return nullptr;
    const int y = stride_h.quotient(down), x = stride_w.quotient(right);
    if (y >= height || x >= width || y * window.stride_h != down || x * window.stride_w != right)
      return nullptr;
    return data + p.image + (static_cast<std::int64_t>(y) * width + x) * channels + t.channel;
  }
};

/// As the left operand of a product whose k runs over taps.
template <typename Gather, typename T>
struct OverTaps : Gather {
  static constexpr bool kAlongK = true, kNear = true;
  using Outer = typename Gather::Pixel;
  using Gather::Gather;
  __device__ Outer outer(int p) const { return this->pixel(p); }
  __device__ typename Gather::Tap inner(int k) const { return this->tap(k); }
  __device__ T load(const Outer& o, const typename Gather::Tap& i) const {
    const T* place = this->find(o, i);
    return place ? *place : T(0);
  }
};

/// As the left operand of a product whose k runs over pixels.
template <typename Gather, typename T>
struct OverPixels : Gather {
  static constexpr bool kAlongK = false, kNear = false;
  using Outer = typename Gather::Tap;
  using Gather::Gather;
  __device__ Outer outer(int k) const { return this->tap(k); }
  __device__ typename Gather::Pixel inner(int p) const { return this->pixel(p); }
  __device__ const T* find(const Outer& o, const typename Gather::Pixel& i) const {
    return Gather::find(i, o);
  }
  __device__ T load(const Outer& o, const typename Gather::Pixel& i) const {
    const T* place = find(o, i);
    return place ? *place : T(0);
  }
};

/// An operand whose k runs over taps with channels (i, j, c), in another order: 32 channels of all taps come
/// before the next 32, so that neighbouring windows, which share most of their pixels, find them in the
/// first-level cache.
template <typename Operand>
struct ByChannels : Operand {
  FastDivide by_block;  // 32 channels of all taps; 1: the order stays
  int channels;

  ByChannels(const Operand& operand, int taps, int all_channels)
      : Operand(operand), by_block(all_channels % 32 == 0 ? 32 * taps : 1), channels(all_channels) {}

  __device__ auto inner(int k) const {
    const int block = by_block.quotient(k), rest = k - block * by_block.divisor();
    return Operand::inner(by_block.divisor() == 1 ? k : rest / 32 * channels + block * 32 + rest % 32);
  }
};

/// The product, in 16 bits, of a gather whose k runs over taps with the weight.
template <typename Half, typename Gather, typename Weight, typename Store>
void multiply_over_taps(Context& context, const Conv2dGeometry& g, const GemmSizes& sizes,
                        const Gather& gather, const Weight& weight, const Store& store) {
  const int taps = g.window.height * g.window.width, channels = sizes.inner / taps;
  multiply_rounded<Half>(context, sizes, plan_pipeline(context, sizes, 1).tile,
                         ByChannels<Gather>(gather, taps, channels),
                         ByChannels<Weight>(weight, taps, channels), store);
}

}  // namespace tapeline::cuda
