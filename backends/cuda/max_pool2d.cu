#include <cmath>

#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/packs.h"
#include "backends/cuda/pixels.h"

namespace tapeline::cuda {
namespace {

constexpr int kNone = 255;

/// Sizes in packs of kWide channels.
template <int kWide>
struct Geometry {
  int in_height, in_width, out_height, out_width, channels;
  Window2d window;
  PackDivide<kWide> by_channels, by_in_width, by_in_height, by_out_width, by_out_height;
  FastDivide stride_h, stride_w;

  Geometry(const Shape& in, const Shape& out, const Window2d& w)
      : in_height(static_cast<int>(in[1])),
        in_width(static_cast<int>(in[2])),
        out_height(static_cast<int>(out[1])),
        out_width(static_cast<int>(out[2])),
        channels(static_cast<int>(in[3] / kWide)),
        window(w),
        by_channels(channels),
        by_in_width(in_width),
        by_in_height(in_height),
        by_out_width(out_width),
        by_out_height(out_height),
        stride_h(w.stride_h),
        stride_w(w.stride_w) {}
};

template <int kWide, typename T>
__global__ void forward(std::int64_t outputs, Geometry<kWide> g, const std::int32_t* widths, const T* input,
                        T* output, std::uint8_t* choices) {
  const Window2d& w = g.window;
  for (std::int64_t o = first_element(); o < outputs; o += element_stride()) {
    std::int64_t c = o, x = g.by_channels.split(c), y = g.by_out_width.split(x), n = g.by_out_height.split(y);
    const int width = length_of(widths, n, g.in_width);
    const int top = static_cast<int>(y) * w.stride_h - w.pad_top,
              left = static_cast<int>(x) * w.stride_w - w.pad_left;
    Pack<T, kWide> best{};
    Pack<std::uint8_t, kWide> choice;
    for (std::uint8_t& none : choice.values) none = kNone;
    for (int i = 0; i < w.height; ++i) {
      const int in_y = top + i;
      if (in_y < 0 || in_y >= g.in_height) continue;
      for (int j = 0; j < w.width; ++j) {
        const int in_x = left + j;
        if (in_x < 0 || in_x >= width) continue;
        const Pack<T, kWide> values =
            load_pack<kWide>(input, ((n * g.in_height + in_y) * g.in_width + in_x) * g.channels + c);
        for (int v = 0; v < kWide; ++v) {
          const T value = values.values[v];
          T& most = best.values[v];
          if (choice.values[v] == kNone || value > most || (isnan(value) && !isnan(most))) {
            most = value;
            choice.values[v] = static_cast<std::uint8_t>(i * w.width + j);
          }
        }
      }
    }
    store_pack<kWide>(output, o, best);
    if (choices) store_pack<kWide>(choices, o, choice);
  }
}

// Each input looks at the windows that it lies in, in one order, so that sums come out the same every time.
template <int kWide, typename T>
__global__ void backward(std::int64_t inputs, Geometry<kWide> g, const std::uint8_t* choices,
                         const T* grad_output, T* grad_input) {
  const Window2d& w = g.window;
  for (std::int64_t e = first_element(); e < inputs; e += element_stride()) {
    std::int64_t c = e, x = g.by_channels.split(c), y = g.by_in_width.split(x), n = g.by_in_height.split(y);
    const int down = static_cast<int>(y) + w.pad_top, right = static_cast<int>(x) + w.pad_left;
    const int last_y = g.stride_h.quotient(down), last_x = g.stride_w.quotient(right);
    Pack<T, kWide> sum{};
    for (int out_y = last_y, i = down - last_y * w.stride_h; out_y >= 0 && i < w.height;
         --out_y, i += w.stride_h) {
      if (out_y >= g.out_height) continue;
      for (int out_x = last_x, j = right - last_x * w.stride_w; out_x >= 0 && j < w.width;
           --out_x, j += w.stride_w) {
        if (out_x >= g.out_width) continue;
        const std::int64_t o = ((n * g.out_height + out_y) * g.out_width + out_x) * g.channels + c;
        const auto choice = load_pack<kWide>(choices, o);
        const Pack<T, kWide> grad = load_pack<kWide>(grad_output, o);
        for (int v = 0; v < kWide; ++v)
          if (choice.values[v] == i * w.width + j) sum.values[v] += grad.values[v];
      }
    }
    store_pack<kWide>(grad_input, e, sum);
  }
}

}  // namespace

void run(const MaxPool2dForward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    T* output = k.output.data<T>();
    auto* choices = data_or_null<std::uint8_t>(k.choice);
    const std::int64_t outputs = k.output.elements();
    with_width(in_fours(outputs, k.input.shape[3], {input, output, choices}), [&]<int kWide>() {
      launch_elements(context, outputs / kWide, forward<kWide, T>, outputs / kWide,
                      Geometry<kWide>(k.input.shape, k.output.shape, k.window),
                      data_or_null<std::int32_t>(k.widths), input, output, choices);
    });
  });
}

void run(const MaxPool2dBackward& k, Context& context) {
  with_float(k.grad_input.dtype, [&]<typename T>() {
    const auto* choices = k.choice.data<std::uint8_t>();
    const T* grad_output = k.grad_output.data<T>();
    T* grad_input = k.grad_input.data<T>();
    const std::int64_t inputs = k.grad_input.elements();
    with_width(in_fours(inputs, k.grad_input.shape[3], {choices, grad_output, grad_input}), [&]<int kWide>() {
      launch_elements(context, inputs / kWide, backward<kWide, T>, inputs / kWide,
                      Geometry<kWide>(k.grad_input.shape, k.grad_output.shape, k.window), choices,
                      grad_output, grad_input);
    });
  });
}

}  // namespace tapeline::cuda
