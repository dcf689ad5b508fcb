// The pixels are cut into blocks that the second cache holds. Statistics: each block has its own mean and sum
// of squared distances, which Chan's formula puts together, in order, in double ("Updating formulae and a
// pairwise algorithm for computing sample variances", 1979). Within a block, rows of C floats are summed in
// registers, a few dozen at a time, and added up in double. A second loop over all blocks writes the result.

#include "backends/cpu/activate.h"
#include "backends/cpu/activation_slope.h"
#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr std::int64_t kRowsAtOnce = 64;

/// The rows of C floats of [N, H, W, C]: `columns` to a line, the first widths[n] of which count. Without
/// widths, each row is a line of its own.
struct Pixels {
  std::int64_t lines, columns, channels, height;
  const std::int32_t* widths;

  Pixels(const Shape& shape, const View& own_widths)
      : lines(shape[0] * shape[1] * (own_widths ? 1 : shape[2])),
        columns(own_widths ? shape[2] : 1),
        channels(shape[3]),
        height(shape[1]),
        widths(data_or_null<std::int32_t>(own_widths)) {}

  std::int64_t block() const { return task_rows(columns * channels); }  // in lines
  std::int64_t blocks() const { return (lines + block() - 1) / block(); }

  /// Calls count(first, rows) for the runs of rows that count among these lines, skip(first, rows) for
  /// others.
  template <typename Count, typename Skip>
  TAPELINE_INLINE void visit(std::int64_t begin, std::int64_t end, Count count, Skip skip) const {
    if (!widths) return count(begin, end - begin);
    for (std::int64_t line = begin; line < end; ++line) {
      const std::int64_t width = length_of(widths, line / height, columns);
      count(line * columns, width);
      skip(line * columns + width, columns - width);
    }
  }
  std::int64_t counted(std::int64_t begin, std::int64_t end) const {
    std::int64_t rows = 0;
    visit(
        begin, end, [&](std::int64_t, std::int64_t count) { rows += count; },
        [](std::int64_t, std::int64_t) {});
    return rows;
  }
};

template <int kVectors>
struct Group {
  static constexpr int kCount = kVectors;
};

/// Calls body(channel, group, lanes) for as many whole vectors at a time as can be, then for the rest.
template <int kVectors = 4, typename Body>
TAPELINE_INLINE void for_channels(std::int64_t begin, std::int64_t channels, Body body) {
  for (; begin + kVectors * kWidth <= channels; begin += kVectors * kWidth)
    body(begin, Group<kVectors>{}, AllLanes{});
  if constexpr (kVectors > 1)
    for_channels<kVectors / 2>(begin, channels, body);
  else if (begin < channels)
    body(begin, Group<1>{}, static_cast<int>(channels - begin));
}

/// Adds to totals[s][c] the sums of what terms(element, channel, lanes, sums) adds to its kSums sums, over
/// some rows.
template <int kSums, typename Terms>
TAPELINE_INLINE void add_rows(std::int64_t first, std::int64_t rows, std::int64_t channels, double* totals,
                              Terms terms) {
  for (std::int64_t begin = first; begin < first + rows; begin += kRowsAtOnce) {
    const std::int64_t end = std::min(begin + kRowsAtOnce, first + rows);
    for_channels(
        0, channels, [=](std::int64_t channel, auto group, auto lanes) __attribute__((always_inline)) {
          constexpr int kVectors = decltype(group)::kCount;
          Vec sums[kVectors][kSums];
          for (std::int64_t row = begin; row < end; ++row)
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
              const std::int64_t c = channel + v * kWidth;
              terms(row * channels + c, c, lanes, sums[v]);
            }
          for (int v = 0; v < kVectors; ++v)
            for (int s = 0; s < kSums; ++s) {
              float lane[kWidth];
              store(lane, sums[v][s]);
              double* to = totals + s * channels + channel + v * kWidth;
              const std::int64_t count = std::min<std::int64_t>(kWidth, channels - channel - v * kWidth);
              for (std::int64_t i = 0; i < count; ++i) to[i] += static_cast<double>(lane[i]);
            }
        });
  }
}

TAPELINE_INLINE void zero(double* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) values[i] = 0;
}

/// Calls write(element, channel, lanes) for every vector that counts; what does not becomes zero in `output`.
template <typename Write>
TAPELINE_INLINE void write_pixels(const Pixels& pixels, float* output, Context& context, Write write) {
  const std::int64_t channels = pixels.channels;
  context.pool.parallel_for(pixels.lines, pixels.block(), [&](std::int64_t begin, std::int64_t end) {
    pixels.visit(
        begin, end,
        [&](std::int64_t first, std::int64_t rows) {
          for (std::int64_t row = first; row < first + rows; ++row)
            for_vectors(
                0, channels, [=](std::int64_t c, auto lanes) __attribute__((always_inline)) {
                  write(row * channels + c, c, lanes);
                });
        },
        [&](std::int64_t first, std::int64_t rows) {
          for_vectors(
              first * channels,
              (first + rows) * channels, [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
                store(output + i, Vec(), lanes);
              });
        });
  });
}

/// output = activation((input - mean) * factor + offset), where factor = inv_dev * scale.
void normalise(const View& input, const View& output, const Pixels& pixels, const Activation& activation,
               const float* mean, const float* factor, const float* offset, Context& context) {
  const float* from = input.data<float>();
  float* to = output.data<float>();
  with_activation(
      activation, [&](auto f) __attribute__((always_inline)) {
        write_pixels(
            pixels, to,
            context, [=](std::int64_t i, std::int64_t c, auto lanes) __attribute__((always_inline)) {
              const Vec centred = load(from + i, lanes) - load(mean + c, lanes);
              store(to + i, f(fma(centred, load(factor + c, lanes), load(offset + c, lanes))), lanes);
            });
      });
}

/// factor and offset of all channels, in the scratch memory. The offset makes up for the rounding of the
/// mean.
struct Affine {
  float *factor, *offset;
};
template <typename K>
Affine affine(const K& k, const double* exact_mean, const float* mean, const double* inv_dev,
              std::int64_t channels, Context& context) {
  float* factor = context.scratch.shared_floats(3, 2 * channels);
  float* offset = factor + channels;
  const float* scale = data_or_null<float>(k.scale);
  const float* own_offset = data_or_null<float>(k.offset);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double all = inv_dev[c] * (scale ? static_cast<double>(scale[c]) : 1);
    const double rounding = exact_mean ? static_cast<double>(mean[c]) - exact_mean[c] : 0;
    factor[c] = static_cast<float>(all);
    offset[c] = static_cast<float>((own_offset ? static_cast<double>(own_offset[c]) : 0) + rounding * all);
  }
  return {factor, offset};
}

/// Mean and variance of each channel; the number of rows.
std::int64_t statistics(const View& input, const Pixels& pixels, double* mean, double* squares, double* parts,
                        Context& context) {
  const float* x = input.data<float>();
  const std::int64_t channels = pixels.channels, size = 2 * channels;
  context.pool.parallel_for(pixels.lines, pixels.block(), [&](std::int64_t begin, std::int64_t end) {
    const auto rows = static_cast<double>(pixels.counted(begin, end));
    double* sums = parts + begin / pixels.block() * size;  // becomes the mean and the squared distances
    float* centre = context.scratch.local_floats(2, channels);
    const auto skip = [](std::int64_t, std::int64_t) {};
    zero(sums, size);
    pixels.visit(
        begin, end,
        [&](std::int64_t first, std::int64_t count) {
          add_rows<1>(
              first, count, channels,
              sums, [=](std::int64_t i, std::int64_t, auto lanes, Vec* total) __attribute__((always_inline)) {
                total[0] += load(x + i, lanes);
              });
        },
        skip);
    for (std::int64_t c = 0; c < channels; ++c) centre[c] = rows > 0 ? static_cast<float>(sums[c] / rows) : 0;
    zero(sums, size);
    pixels.visit(
        begin, end,
        [&](std::int64_t first, std::int64_t count) {
          add_rows<2>(
              first, count, channels, sums,
              [=](std::int64_t i, std::int64_t c, auto lanes, Vec* total) __attribute__((always_inline)) {
                const Vec distance = load(x + i, lanes) - load(centre + c, lanes);
                total[0] += distance;
                total[1] = fma(distance, distance, total[1]);
              });
        },
        skip);
    if (rows == 0) return;
    for (std::int64_t c = 0; c < channels; ++c) {
      const double shift = sums[c] / rows;  // of the exact mean from `centre`
      sums[channels + c] -= rows * shift * shift;
      sums[c] = static_cast<double>(centre[c]) + shift;
    }
  });

  std::int64_t rows = 0;
  zero(mean, channels);
  zero(squares, channels);
  for (std::int64_t block = 0; block < pixels.blocks(); ++block) {
    const std::int64_t begin = block * pixels.block(), end = std::min(begin + pixels.block(), pixels.lines);
    const std::int64_t count = pixels.counted(begin, end);
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(rows + count);
    const double weight = static_cast<double>(rows) * share;
    const double* block_mean = parts + block * size;
    const double* distances = block_mean + channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const double distance = block_mean[c] - mean[c];
      mean[c] += distance * share;
      squares[c] += distances[c] + distance * distance * weight;
    }
    rows += count;
  }
  if (rows > 0)
    for (std::int64_t c = 0; c < channels; ++c)
      squares[c] = std::max(squares[c], 0.0) / static_cast<double>(rows);
  return rows;
}

double* doubles(Context& context, std::int64_t count) {
  return static_cast<double*>(context.scratch.shared(2, static_cast<std::size_t>(count) * sizeof(double)));
}

}  // namespace

void run(const BatchNormTraining& k, Context& context) {
  if (k.input.dtype != DType::f32) return reference::run(k);
  const Pixels pixels(k.input.shape, k.widths);
  const std::int64_t channels = pixels.channels;
  double* mean = doubles(context, (3 + 2 * pixels.blocks()) * channels);
  double* variance = mean + channels;
  double* inv_dev = variance + channels;
  const auto rows =
      static_cast<double>(statistics(k.input, pixels, mean, variance, inv_dev + channels, context));

  auto* running_mean = data_or_null<float>(k.running_mean);
  auto* running_variance = data_or_null<float>(k.running_variance);
  const double keep = rows > 0 ? static_cast<double>(k.momentum) : 1;
  const auto move = [keep](float& running, double batch) {
    running = static_cast<float>(keep * static_cast<double>(running) + (1 - keep) * batch);
  };
  for (std::int64_t c = 0; c < channels; ++c) {
    inv_dev[c] = 1 / __builtin_sqrt(variance[c] + static_cast<double>(k.epsilon));
    k.mean.data<float>()[c] = static_cast<float>(mean[c]);
    k.inv_dev.data<float>()[c] = static_cast<float>(inv_dev[c]);
    if (running_mean) move(running_mean[c], mean[c]);
    if (running_variance) move(running_variance[c], rows > 1 ? variance[c] * rows / (rows - 1) : variance[c]);
  }
  const float* rounded_mean = k.mean.data<float>();
  const auto [factor, offset] = affine(k, mean, rounded_mean, inv_dev, channels, context);
  normalise(k.input, k.output, pixels, k.activation, rounded_mean, factor, offset, context);
}

void run(const BatchNormInference& k, Context& context) {
  if (k.input.dtype != DType::f32) return reference::run(k);
  const Pixels pixels(k.input.shape, k.widths);
  double* inv_dev = doubles(context, pixels.channels);
  for (std::int64_t c = 0; c < pixels.channels; ++c)
    inv_dev[c] = 1 / __builtin_sqrt(static_cast<double>(k.running_variance.data<float>()[c]) +
                                    static_cast<double>(k.epsilon));
  const float* mean = k.running_mean.data<float>();
  const auto [factor, offset] = affine(k, nullptr, mean, inv_dev, pixels.channels, context);
  normalise(k.input, k.output, pixels, k.activation, mean, factor, offset, context);
}

void run(const BatchNormBackward& k, Context& context) {
  if (k.input.dtype != DType::f32) return reference::run(k);
  const Pixels pixels(k.input.shape, k.widths);
  const std::int64_t channels = pixels.channels, size = 2 * channels;
  const float* x = k.input.data<float>();
  const float* y = k.output ? k.output.data<float>() : x;  // not looked at without an activation
  const float* grad_output = k.grad_output.data<float>();
  const float* mean = k.mean.data<float>();
  const float* inv_dev = k.inv_dev.data<float>();
  double* totals = doubles(context, (1 + pixels.blocks()) * size);
  double* parts = totals + size;

  with_activation_slope(
      k.activation, [&](auto slope) __attribute__((always_inline)) {
        // Of each block: the sums of g and of g (x - mean).
        context.pool.parallel_for(pixels.lines, pixels.block(), [&](std::int64_t begin, std::int64_t end) {
          double* sums = parts + begin / pixels.block() * size;
          zero(sums, size);
          pixels.visit(
              begin, end,
              [&](std::int64_t first, std::int64_t count) {
                add_rows<2>(
                    first, count, channels, sums,
                    [=](std::int64_t i, std::int64_t c, auto lanes, Vec* total)
                        __attribute__((always_inline)) {
                          const Vec g = slope(load(grad_output + i, lanes), load(y + i, lanes));
                          total[0] += g;
                          total[1] = fma(g, load(x + i, lanes) - load(mean + c, lanes), total[1]);
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
        write_pixels(
            pixels, to,
            context, [=](std::int64_t i, std::int64_t c, auto lanes) __attribute__((always_inline)) {
              const Vec g = slope(load(grad_output + i, lanes), load(y + i, lanes));
              const Vec centred = load(x + i, lanes) - load(mean + c, lanes);
              const Vec rest = fma(load(linear + c, lanes), centred, load(constant + c, lanes));
              store(to + i, fma(load(factor + c, lanes), g, -rest), lanes);
            });
      });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
