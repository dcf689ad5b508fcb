// Convolutions in which every output channel reads one input channel: a few products for each element, bound
// by memory. Neighbouring threads have neighbouring channels.

#include <climits>

#include "backends/cuda/activate.h"
#include "backends/cuda/conv2d.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/launch.h"

namespace tapeline::cuda {
namespace {

struct Place {
  std::int64_t n;
  int y, x, channel;
  __device__ Place(std::int64_t element, int height, int width, int channels)
      : n(element / channels / width / height),
        y(static_cast<int>(element / channels / width % height)),
        x(static_cast<int>(element / channels % width)),
        channel(static_cast<int>(element % channels)) {}
};

template <typename T>
__global__ void forward(std::int64_t outputs, Conv2dGeometry g, Activation activation, const T* input,
                        const T* weight, const T* bias, T* output) {
  const Window2d& w = g.window;
  const int outputs_each = g.out_channels / g.groups;
  for (std::int64_t e = first_element(); e < outputs; e += element_stride()) {
    const Place o(e, g.out_height, g.out_width, g.out_channels);
    T sum = bias ? bias[o.channel] : T(0);
    for (int i = 0; i < w.height; ++i) {
      const int y = o.y * w.stride_h - w.pad_top + i * w.dilation_h;
      if (y < 0 || y >= g.in_height) continue;
      for (int j = 0; j < w.width; ++j) {
        const int x = o.x * w.stride_w - w.pad_left + j * w.dilation_w;
        if (x < 0 || x >= g.in_width) continue;
        sum += input[((o.n * g.in_height + y) * g.in_width + x) * g.in_channels + o.channel / outputs_each] *
               weight[(i * w.width + j) * g.out_channels + o.channel];
      }
    }
    output[e] = activate(activation, sum);
  }
}

template <typename T>
__global__ void backward_input(std::int64_t inputs, Conv2dGeometry g, const T* grad_output, const T* weight,
                               T* grad_input) {
  const Window2d& w = g.window;
  const int outputs_each = g.out_channels / g.groups;
  for (std::int64_t e = first_element(); e < inputs; e += element_stride()) {
    const Place p(e, g.in_height, g.in_width, g.in_channels);
    T sum = 0;
    for (int i = 0; i < w.height; ++i) {
      const int down = p.y + w.pad_top - i * w.dilation_h, y = down / w.stride_h;
      if (down < 0 || y >= g.out_height || y * w.stride_h != down) continue;
      for (int j = 0; j < w.width; ++j) {
        const int right = p.x + w.pad_left - j * w.dilation_w, x = right / w.stride_w;
        if (right < 0 || x >= g.out_width || x * w.stride_w != right) continue;
        const T* grad = grad_output + ((p.n * g.out_height + y) * g.out_width + x) * g.out_channels;
        for (int o = p.channel * outputs_each; o < (p.channel + 1) * outputs_each; ++o)
          sum += grad[o] * weight[(i * w.width + j) * g.out_channels + o];
      }
    }
    grad_input[e] = sum;
  }
}

// A block has 32 output channels of one tap and a part of the pixels; its threads go through them side by
// side.
constexpr int kColumns = 32, kRows = kThreads / kColumns;

template <typename T>
__global__ void backward_weight(Conv2dGeometry g, const T* input, const T* grad_output, T* parts) {
  __shared__ T sums[kThreads];
  const Window2d& w = g.window;
  const int column = static_cast<int>(threadIdx.x) % kColumns, row = static_cast<int>(threadIdx.x) / kColumns;
  const int o = static_cast<int>(blockIdx.x) * kColumns + column, tap = static_cast<int>(blockIdx.y);
  const int i = tap / w.width, j = tap % w.width;
  const std::int64_t pixels = static_cast<std::int64_t>(g.batch) * g.out_height * g.out_width;
  const std::int64_t begin = pixels * blockIdx.z / gridDim.z, end = pixels * (blockIdx.z + 1) / gridDim.z;
  T sum = 0;
  if (o < g.out_channels)
    for (std::int64_t p = begin + row; p < end; p += kRows) {
      const Place at(p, g.out_height, g.out_width, 1);
      const int y = at.y * w.stride_h - w.pad_top + i * w.dilation_h;
      const int x = at.x * w.stride_w - w.pad_left + j * w.dilation_w;
      if (y < 0 || y >= g.in_height || x < 0 || x >= g.in_width) continue;
      sum += grad_output[p * g.out_channels + o] *
             input[((at.n * g.in_height + y) * g.in_width + x) * g.in_channels +
                   o / (g.out_channels / g.groups)];
    }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (row > 0 || o >= g.out_channels) return;
  for (int r = 1; r < kRows; ++r) sum += sums[r * kColumns + column];
  parts[(static_cast<std::int64_t>(blockIdx.z) * gridDim.y + tap) * g.out_channels + o] = sum;
}

template <typename T>
__global__ void add_parts(std::int64_t weights, int count, const T* parts, T* grad_weight) {
  for (std::int64_t i = first_element(); i < weights; i += element_stride()) {
    T sum = 0;
    for (int p = 0; p < count; ++p) sum += parts[p * weights + i];
    grad_weight[i] = sum;
  }
}

}  // namespace

void check_size(const Conv2dGeometry& g) {
  const double most =
      static_cast<double>(g.batch) * std::max(static_cast<double>(g.in_height) * g.in_width,
                                              static_cast<double>(g.out_height) * g.out_width);
  if (most > INT_MAX) fail("a batch of images has more than 2^31 pixels; use a smaller batch");
}

void depthwise_forward(const Conv2dForward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, k.output.elements(), forward<T>, k.output.elements(), k.geometry, k.activation,
                    k.input.data<T>(), k.weight.data<T>(), data_or_null<T>(k.bias), k.output.data<T>());
  });
}

void depthwise_backward_input(const Conv2dBackwardInput& k, Context& context) {
  with_float(k.grad_input.dtype, [&]<typename T>() {
    launch_elements(context, k.grad_input.elements(), backward_input<T>, k.grad_input.elements(), k.geometry,
                    k.grad_output.data<T>(), k.weight.data<T>(), k.grad_input.data<T>());
  });
}

void depthwise_backward_weight(const Conv2dBackwardWeight& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const std::int64_t pixels = static_cast<std::int64_t>(g.batch) * g.out_height * g.out_width;
  const std::int64_t columns = divide_up(g.out_channels, kColumns), taps = g.window.height * g.window.width;
  const std::int64_t wanted = divide_up(8LL * context.multiprocessors, columns * taps);
  const std::int64_t parts =
      std::clamp<std::int64_t>(pixels / (8 * kRows), 1, std::min<std::int64_t>(wanted, 1024));
  const std::int64_t weights = k.grad_weight.elements();
  with_float(k.grad_weight.dtype, [&]<typename T>() {
    T* sums = parts == 1 ? k.grad_weight.data<T>() : context.scratch<T>(parts * weights);
    const dim3 grid(static_cast<unsigned>(columns), static_cast<unsigned>(taps),
                    static_cast<unsigned>(parts));
    launch(context, backward_weight<T>, grid, kThreads, 0, g, k.input.data<T>(), k.grad_output.data<T>(),
           sums);
    if (parts > 1)
      launch_elements(context, weights, add_parts<T>, weights, static_cast<int>(parts), sums,
                      k.grad_weight.data<T>());
  });
}

}  // namespace tapeline::cuda
