// Statistics in two launches: blocks sum up their rows for 32 channels each, in f64, then one thread a
// channel puts the sums of all blocks together, in their order. A third launch writes the elements. The way
// back is the same with other sums.

#include <cmath>

#include "backends/cuda/activate.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/packs.h"
#include "backends/cuda/pixels.h"

namespace tapeline::cuda {
namespace {

constexpr int kColumns = 32,
              kRows = kThreads / kColumns;  // of a block's threads: channels, and rows at a time

struct Images {
  Pixels pixels;
  int channels;
  Images(const View& input, const View& widths)
      : pixels{input.shape[0] * input.shape[1] * input.shape[2], static_cast<int>(input.shape[1]),
               static_cast<int>(input.shape[2]), data_or_null<std::int32_t>(widths)},
        channels(static_cast<int>(input.shape[3])) {}
};

/// Three sums over the rows that count.
struct Sums {
  double first = 0, second = 0, rows = 0;
  __device__ void add(const Sums& other) {
    first += other.first;
    second += other.second;
    rows += other.rows;
  }
};

// partial[block][channel] = the block's sums, of which terms.add() makes the first two.
template <typename Terms>
__global__ void __launch_bounds__(kThreads, 4) sum_rows(Images images, Terms terms, Sums* partial) {
  __shared__ double room[kThreads * 3];
  Sums* shared = reinterpret_cast<Sums*>(room);
  const int column = threadIdx.x % kColumns, row_of_block = threadIdx.x / kColumns;
  const int c = blockIdx.x * kColumns + column;
  const std::int64_t begin = images.pixels.rows * blockIdx.y / gridDim.y,
                     end = images.pixels.rows * (blockIdx.y + 1) / gridDim.y;
  double first = 0, second = 0, rows = 0;
  if (c < images.channels) {
#pragma unroll 4
    for (std::int64_t row = begin + row_of_block; row < end; row += kRows)
      if (images.pixels.inside(row)) {
        terms.add(row * images.channels + c, c, first, second);
        rows += 1;
      }
  }
  Sums sums{first, second, rows};
  shared[threadIdx.x] = sums;
  __syncthreads();
  if (row_of_block > 0 || c >= images.channels) return;
  for (int r = 1; r < kRows; ++r) sums.add(shared[r * kColumns + column]);
  partial[static_cast<std::int64_t>(blockIdx.y) * images.channels + c] = sums;
}

template <typename Terms>
int launch_sums(Context& context, const Images& images, const Terms& terms, Sums*& partial) {
  const std::int64_t columns = divide_up(images.channels, kColumns);
  const std::int64_t wanted = divide_up(8LL * context.multiprocessors, columns);
  const std::int64_t parts = std::clamp<std::int64_t>(divide_up(images.pixels.rows, 8 * kRows), 1, wanted);
  partial = context.scratch<Sums>(parts * images.channels);
  launch(context, sum_rows<Terms>, dim3(static_cast<unsigned>(columns), static_cast<unsigned>(parts)),
         kThreads, 0, images, terms, partial);
  return static_cast<int>(parts);
}

__device__ inline Sums total(const Sums* partial, int parts, int channels, int c) {
  Sums sums;
  for (int p = 0; p < parts; ++p) sums.add(partial[static_cast<std::int64_t>(p) * channels + c]);
  return sums;
}

// Forward ---------------------------------------------------------------------------------------------------

template <typename T>
struct Moments {
  const T* input;
  __device__ void add(std::int64_t i, int, double& sum, double& squares) const {
    const double x = input[i];
    sum += x;
    squares += x * x;
  }
};

// rest[c] is what is lost of the mean when it becomes a T: a mean may be thousands of times the deviation.
template <typename T>
__global__ void finish_moments(int channels, int parts, const Sums* partial, double epsilon, double momentum,
                               T* mean, T* rest, T* inv_dev, T* running_mean, T* running_variance) {
  const int c = static_cast<int>(first_element());
  if (c >= channels) return;
  const Sums sums = total(partial, parts, channels, c);
  const double count = sums.rows, average = count > 0 ? sums.first / count : 0;
  double variance = count > 0 ? sums.second / count - average * average : 0;
  if (variance < 0) variance = 0;
  mean[c] = static_cast<T>(average);
  rest[c] = static_cast<T>(average - static_cast<double>(mean[c]));
  inv_dev[c] = static_cast<T>(1 / sqrt(variance + epsilon));
  const double unbiased = count > 1 ? variance * count / (count - 1) : variance;
  const double keep = count > 0 ? momentum : 1;
  if (running_mean) running_mean[c] = static_cast<T>(keep * running_mean[c] + (1 - keep) * average);
  if (running_variance)
    running_variance[c] = static_cast<T>(keep * running_variance[c] + (1 - keep) * unbiased);
}

template <typename T>
__global__ void running_to_batch(int channels, double epsilon, const T* running_variance, T* inv_dev) {
  const int c = static_cast<int>(first_element());
  if (c < channels) inv_dev[c] = static_cast<T>(1 / sqrt(static_cast<double>(running_variance[c]) + epsilon));
}

template <int kWide, typename T>
__global__ void normalise(std::int64_t packs, Images images, PackDivide<kWide> by_channels,
                          Activation activation, const T* input, const T* mean, const T* rest,
                          const T* inv_dev, const T* scale, const T* offset, T* output) {
  for (std::int64_t i = first_element(); i < packs; i += element_stride()) {
    std::int64_t c = i;
    const bool inside = images.pixels.inside(by_channels.split(c));
    Pack<T, kWide> y = load_pack<kWide>(input, i);
    for (int v = 0; v < kWide; ++v) {
      const std::int64_t channel = c * kWide + v;
      T& value = y.values[v];
      value -= mean[channel];
      if (rest) value -= rest[channel];
      value *= inv_dev[channel];
      if (scale) value *= scale[channel];
      if (offset) value += offset[channel];
      value = inside ? activate(activation, value) : T(0);
    }
    store_pack<kWide>(output, i, y);
  }
}

template <typename T, typename K>
void launch_normalise(Context& context, const K& k, const Images& images, const T* mean, const T* rest,
                      const T* inv_dev) {
  const std::int64_t elements = k.output.elements();
  const T* input = k.input.template data<T>();
  T* output = k.output.template data<T>();
  if (elements == 0) return;
  with_width(in_fours(elements, images.channels, {input, output}), [&]<int kWide>() {
    launch_elements(context, elements / kWide, normalise<kWide, T>, elements / kWide, images,
                    PackDivide<kWide>(images.channels / kWide), k.activation, input, mean, rest, inv_dev,
                    data_or_null<T>(k.scale), data_or_null<T>(k.offset), output);
  });
}

// Backward --------------------------------------------------------------------------------------------------

template <typename T>
struct Gradients {
  const T *input, *mean, *inv_dev, *output, *grad_output;
  Activation activation;
  __device__ T normal(T x, std::int64_t c) const { return (x - mean[c]) * inv_dev[c]; }
  __device__ void add(std::int64_t i, int c, double& offset, double& scale) const {
    const double g = output ? grad_output[i] * activation_slope(activation, output[i]) : grad_output[i];
    offset += g;
    scale += g * normal(input[i], c);
  }
};

// means[0][c] = grad_offset / n, means[1][c] = grad_scale / n.
template <typename T>
__global__ void finish_gradients(int channels, int parts, const Sums* partial, T* grad_scale, T* grad_offset,
                                 T* means) {
  const int c = static_cast<int>(first_element());
  if (c >= channels) return;
  const Sums sums = total(partial, parts, channels, c);
  if (grad_offset) grad_offset[c] = static_cast<T>(sums.first);
  if (grad_scale) grad_scale[c] = static_cast<T>(sums.second);
  means[c] = static_cast<T>(sums.rows > 0 ? sums.first / sums.rows : 0);
  means[channels + c] = static_cast<T>(sums.rows > 0 ? sums.second / sums.rows : 0);
}

template <int kWide, typename T>
__global__ void backward(std::int64_t packs, Images images, PackDivide<kWide> by_channels,
                         Gradients<T> gradients, const T* means, const T* scale, T* grad_input) {
  for (std::int64_t i = first_element(); i < packs; i += element_stride()) {
    std::int64_t c = i;
    const bool inside = images.pixels.inside(by_channels.split(c));
    const Pack<T, kWide> x = load_pack<kWide>(gradients.input, i);
    Pack<T, kWide> grad = load_pack<kWide>(gradients.grad_output, i);
    if (gradients.output) {
      const Pack<T, kWide> y = load_pack<kWide>(gradients.output, i);
      for (int v = 0; v < kWide; ++v) grad.values[v] *= activation_slope(gradients.activation, y.values[v]);
    }
    for (int v = 0; v < kWide; ++v) {
      const std::int64_t channel = c * kWide + v;
      const T centred = grad.values[v] - means[channel] -
                        gradients.normal(x.values[v], channel) * means[images.channels + channel];
      const T factor = (scale ? scale[channel] : T(1)) * gradients.inv_dev[channel];
      grad.values[v] = inside ? factor * centred : T(0);
    }
    store_pack<kWide>(grad_input, i, grad);
  }
}

}  // namespace

void run(const BatchNormTraining& k, Context& context) {
  const Images images(k.input, k.widths);
  with_float(k.input.dtype, [&]<typename T>() {
    Sums* partial;
    const int parts = launch_sums(context, images, Moments<T>{k.input.data<T>()}, partial);
    T* rest = context.scratch<T>(images.channels);
    launch_elements(context, images.channels, finish_moments<T>, images.channels, parts, partial, k.epsilon,
                    k.momentum, k.mean.data<T>(), rest, k.inv_dev.data<T>(), data_or_null<T>(k.running_mean),
                    data_or_null<T>(k.running_variance));
    launch_normalise<T>(context, k, images, k.mean.data<T>(), rest, k.inv_dev.data<T>());
  });
}

void run(const BatchNormInference& k, Context& context) {
  const Images images(k.input, k.widths);
  with_float(k.input.dtype, [&]<typename T>() {
    T* inv_dev = context.scratch<T>(images.channels);
    launch_elements(context, images.channels, running_to_batch<T>, images.channels, k.epsilon,
                    k.running_variance.data<T>(), inv_dev);
    launch_normalise<T>(context, k, images, k.running_mean.data<T>(), static_cast<const T*>(nullptr),
                        inv_dev);
  });
}

void run(const BatchNormBackward& k, Context& context) {
  const Images images(k.input, k.widths);
  with_float(k.input.dtype, [&]<typename T>() {
    const Gradients<T> gradients{k.input.data<T>(),         k.mean.data<T>(),        k.inv_dev.data<T>(),
                                 data_or_null<T>(k.output), k.grad_output.data<T>(), k.activation};
    Sums* partial;
    const int parts = launch_sums(context, images, gradients, partial);
    T* means = context.scratch<T>(2 * images.channels);
    launch_elements(context, images.channels, finish_gradients<T>, images.channels, parts, partial,
                    data_or_null<T>(k.grad_scale), data_or_null<T>(k.grad_offset), means);
    if (!k.grad_input || k.grad_input.elements() == 0) return;
    T* grad_input = k.grad_input.data<T>();
    const std::int64_t elements = k.grad_input.elements();
    const bool fours = in_fours(elements, images.channels,
                                {gradients.input, gradients.output, gradients.grad_output, grad_input});
    with_width(fours, [&]<int kWide>() {
      launch_elements(context, elements / kWide, backward<kWide, T>, elements / kWide, images,
                      PackDivide<kWide>(images.channels / kWide), gradients, means, data_or_null<T>(k.scale),
                      grad_input);
    });
  });
}

}  // namespace tapeline::cuda
