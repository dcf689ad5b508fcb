// Two loops over all pixels: the sums of the gradient, then the gradient of the input. Where pooling follows,
// each pixel looks into the one window that holds it: what it would have got back from there, to the bit, is
// never written.

#include "backends/cpu/activation_slope.h"
#include "backends/cpu/batch_norm.h"
#include "backends/cpu/max_pool2d.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

/// The window that holds a pixel: its first element after pooling, and the pixel's place in it; -1: no
/// window.
struct Cell {
  std::int64_t first;
  int place;
};

/// The gradient before the activation, of pixels with a gradient each.
template <typename Slope>
struct OwnGradients {
  Slope slope;
  const float *grad, *y;  // of [rows, channels]
  std::int64_t channels;

  TAPELINE_INLINE auto of_rows(std::int64_t, std::int64_t, Cell*) const {
    return [this](std::int64_t row, std::int64_t c, auto lanes) __attribute__((always_inline)) {
      const std::int64_t i = row * channels + c;
      return slope(load(grad + i, lanes), load(y + i, lanes));
    };
  }
};

/// The same of pixels that get the gradient of their window where they won it.
template <typename Slope>
struct WindowGradients {
  Slope slope;
  const float *grad, *y;  // of [N, H', W', C]
  const std::uint8_t* choices;
  Window2d window;
  std::int64_t height, width, out_height, out_width, channels;

  /// Finds the cells of these rows first.
  TAPELINE_INLINE auto of_rows(std::int64_t begin, std::int64_t end, Cell* cells) const {
    for (std::int64_t row = begin; row < end;) {
      const std::int64_t line = row / width, down = line % height + window.pad_top;
      const std::int64_t i = down % window.height, out_y = down / window.height;
      const std::int64_t out_line = line / height * out_height + out_y;
      std::int64_t x = row % width, j = (x + window.pad_left) % window.width;
      std::int64_t out_x = (x + window.pad_left) / window.width;
      for (; x < width && row < end; ++x, ++row) {
        const bool held = out_y < out_height && out_x < out_width;
        cells[row - begin] =
            held ? Cell{(out_line * out_width + out_x) * channels, static_cast<int>(i * window.width + j)}
                 : Cell{0, -1};
        if (++j == window.width) j = 0, ++out_x;
      }
    }
    return [ this, begin, cells ](std::int64_t row, std::int64_t c, auto lanes)
        __attribute__((always_inline)) {
      const auto [first, place] = cells[row - begin];
      const Mask won{load_bytes(choices + first + c, lanes) == place};
      return select(won, slope(load(grad + first + c, lanes), load(y + first + c, lanes)), 0.0f);
    };
  }
};

template <typename Gradients>
TAPELINE_INLINE void backward(const BatchNormBackward& k, const Gradients& gradients, Context& context) {
  const Pixels pixels(k.input.shape, k.widths);
  const std::int64_t channels = pixels.channels, size = 2 * channels;
  const float* x = k.input.data<float>();
  const float* mean = k.mean.data<float>();
  const float* inv_dev = k.inv_dev.data<float>();
  double* totals = shared_doubles(context, (1 + pixels.blocks()) * size);
  double* parts = totals + size;

  // Of each block: the sums of g and of g (x - mean).
  context.pool.parallel_for(pixels.lines, pixels.block(), [&](std::int64_t begin, std::int64_t end) {
    double* sums = parts + begin / pixels.block() * size;
    zero(sums, size);
    pixels.visit(
        begin, end,
        [&](std::int64_t first, std::int64_t count) {
          for_rows(first, count, [&](std::int64_t from, std::int64_t to) {
            Cell cells[kRowsAtOnce];
            const auto gradient = gradients.of_rows(from, to, cells);
            add_rows<2>(
                from, to, channels, sums,
                [=](std::int64_t row, std::int64_t c, auto lanes, Vec* total) __attribute__((always_inline)) {
                  const Vec g = gradient(row, c, lanes);
                  total[0] += g;
                  total[1] = fma(g, load(x + row * channels + c, lanes) - load(mean + c, lanes), total[1]);
                });
          });
        },
        [](std::int64_t, std::int64_t) {});
  });
  zero(totals, size);
  for (std::int64_t block = 0; block < pixels.blocks(); ++block)
    for (std::int64_t i = 0; i < size; ++i) totals[i] += parts[block * size + i];

  // grad_input = factor g - constant - linear (x - mean)
  const auto rows = static_cast<double>(pixels.counted(0, pixels.lines));
  float* factor = context.scratch.shared_floats(3, 3 * channels);
  float* constant = factor + channels;
  float* linear = constant + channels;
  for (std::int64_t c = 0; c < channels; ++c) {
    const double deviation = static_cast<double>(inv_dev[c]);
    const double grad_offset = totals[c], grad_scale = totals[channels + c] * deviation;
    if (k.grad_offset) k.grad_offset.data<float>()[c] = static_cast<float>(grad_offset);
    if (k.grad_scale) k.grad_scale.data<float>()[c] = static_cast<float>(grad_scale);
    const double all = deviation * (k.scale ? static_cast<double>(k.scale.data<float>()[c]) : 1);
    factor[c] = static_cast<float>(all);
    constant[c] = static_cast<float>(all * grad_offset / rows);
    linear[c] = static_cast<float>(all * grad_scale / rows * deviation);
  }
  if (!k.grad_input) return;
  float* to = k.grad_input.data<float>();
  write_pixels(pixels, to, context, [&](std::int64_t begin, std::int64_t end) {
    Cell cells[kRowsAtOnce];
    const auto gradient = gradients.of_rows(begin, end, cells);
    for (std::int64_t row = begin; row < end; ++row)
      for_vectors(
          0, channels, [=](std::int64_t c, auto lanes) __attribute__((always_inline)) {
            const std::int64_t i = row * channels + c;
            const Vec centred = load(x + i, lanes) - load(mean + c, lanes);
            const Vec rest = fma(load(linear + c, lanes), centred, load(constant + c, lanes));
            store(to + i, fma(load(factor + c, lanes), gradient(row, c, lanes), -rest), lanes);
          });
  });
}

}  // namespace

void run(const BatchNormBackward& k, Context& context) {
  if (k.input.dtype != DType::f32) return reference::run(k);
  const Shape &in = k.input.shape, &out = k.grad_output.shape;
  const float* grad = k.grad_output.data<float>();
  const float* y = k.output ? k.output.data<float>() : grad;  // not looked at without an activation
  with_activation_slope(
      k.activation, [&](auto slope) __attribute__((always_inline)) {
        if (k.choice)
          backward(k,
                   WindowGradients<decltype(slope)>{slope, grad, y, k.choice.data<std::uint8_t>(), k.pool,
                                                    in[1], in[2], out[1], out[2], in[3]},
                   context);
        else
          backward(k, OwnGradients<decltype(slope)>{slope, grad, y, in[3]}, context);
      });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
