#include <cmath>

#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/pixels.h"

namespace tapeline::cuda {
namespace {

constexpr int kNone = 255;

struct Geometry {
  int in_height, in_width, out_height, out_width, channels;
  Window2d window;
  Geometry(const Shape& in, const Shape& out, const Window2d& w)
      : in_height(static_cast<int>(in[1])),
        in_width(static_cast<int>(in[2])),
        out_height(static_cast<int>(out[1])),
        out_width(static_cast<int>(out[2])),
        channels(static_cast<int>(in[3])),
        window(w) {}
};

template <typename T>
__global__ void forward(std::int64_t outputs, Geometry g, const std::int32_t* widths, const T* input,
                        T* output, std::uint8_t* choices) {
  const Window2d& w = g.window;
  for (std::int64_t o = first_element(); o < outputs; o += element_stride()) {
    const int c = static_cast<int>(o % g.channels);
    const std::int64_t pixel = o / g.channels;
    const int x = static_cast<int>(pixel % g.out_width),
              y = static_cast<int>(pixel / g.out_width % g.out_height);
    const std::int64_t n = pixel / g.out_width / g.out_height;
    const int width = length_of(widths, n, g.in_width);
    int choice = kNone;
    T best = 0;
    for (int i = 0; i < w.height; ++i) {
      const int in_y = y * w.stride_h - w.pad_top + i;
      if (in_y < 0 || in_y >= g.in_height) continue;
      for (int j = 0; j < w.width; ++j) {
        const int in_x = x * w.stride_w - w.pad_left + j;
        if (in_x < 0 || in_x >= width) continue;
        const T value = input[((n * g.in_height + in_y) * g.in_width + in_x) * g.channels + c];
        if (choice == kNone || value > best || (isnan(value) && !isnan(best))) {
          best = value;
          choice = i * w.width + j;
        }
      }
    }
    output[o] = best;
    if (choices) choices[o] = static_cast<std::uint8_t>(choice);
  }
}

// Each input looks at the windows that it lies in, in one order, so that sums come out the same every time.
template <typename T>
__global__ void backward(std::int64_t inputs, Geometry g, const std::uint8_t* choices, const T* grad_output,
                         T* grad_input) {
  const Window2d& w = g.window;
  for (std::int64_t e = first_element(); e < inputs; e += element_stride()) {
    const int c = static_cast<int>(e % g.channels);
    const std::int64_t pixel = e / g.channels;
    const int x = static_cast<int>(pixel % g.in_width),
              y = static_cast<int>(pixel / g.in_width % g.in_height);
    const std::int64_t n = pixel / g.in_width / g.in_height;
    T sum = 0;
    for (int i = (y + w.pad_top) % w.stride_h; i < w.height; i += w.stride_h) {
      const int out_y = (y + w.pad_top - i) / w.stride_h;
      if (y + w.pad_top < i || out_y >= g.out_height) continue;
      for (int j = (x + w.pad_left) % w.stride_w; j < w.width; j += w.stride_w) {
        const int out_x = (x + w.pad_left - j) / w.stride_w;
        if (x + w.pad_left < j || out_x >= g.out_width) continue;
        const std::int64_t o = ((n * g.out_height + out_y) * g.out_width + out_x) * g.channels + c;
        if (choices[o] == i * w.width + j) sum += grad_output[o];
      }
    }
    grad_input[e] = sum;
  }
}

}  // namespace

void run(const MaxPool2dForward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, k.output.elements(), forward<T>, k.output.elements(),
                    Geometry(k.input.shape, k.output.shape, k.window), data_or_null<std::int32_t>(k.widths),
                    k.input.data<T>(), k.output.data<T>(), data_or_null<std::uint8_t>(k.choice));
  });
}

void run(const MaxPool2dBackward& k, Context& context) {
  with_float(k.grad_input.dtype, [&]<typename T>() {
    launch_elements(context, k.grad_input.elements(), backward<T>, k.grad_input.elements(),
                    Geometry(k.grad_input.shape, k.grad_output.shape, k.window),
                    k.choice.data<std::uint8_t>(), k.grad_output.data<T>(), k.grad_input.data<T>());
  });
}

}  // namespace tapeline::cuda
