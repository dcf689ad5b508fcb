// Statistics: each block of pixels has its own mean and sum of squared distances, which Chan's formula puts
// together, in order, in double ("Updating formulae and a pairwise algorithm for computing sample variances",
// 1979). A second loop over all blocks writes the result, or pools it at once.

#include "backends/cpu/batch_norm.h"

#include "backends/cpu/activate.h"
#include "backends/cpu/max_pool2d.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

/// What normalise() writes, of one element: activation((input - mean) * factor + offset), where factor =
/// inv_dev * scale.
struct Affine {
  const float *input, *mean, *factor, *offset;

  template <typename Function, typename Lanes>
  TAPELINE_INLINE Vec operator()(Function f, std::int64_t i, std::int64_t c, Lanes lanes) const {
    const Vec centred = load(input + i, lanes) - load(mean + c, lanes);
    return f(fma(centred, load(factor + c, lanes), load(offset + c, lanes)));
  }
};

void normalise(const Affine& affine, const View& output, const Pixels& pixels, const Activation& activation,
               Context& context) {
  float* to = output.data<float>();
  const std::int64_t channels = pixels.channels;
  with_activation(
      activation, [&](auto f) __attribute__((always_inline)) {
        write_pixels(pixels, to, context, [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t row = begin; row < end; ++row)
            for_vectors(
                0, channels, [=](std::int64_t c, auto lanes) __attribute__((always_inline)) {
                  const std::int64_t i = row * channels + c;
                  store(to + i, affine(f, i, c, lanes), lanes);
                });
        });
      });
}

void normalise_and_pool(const Affine& affine, const BatchNormTraining& k, Context& context) {
  with_activation(
      k.activation, [&](auto f) __attribute__((always_inline)) {
        pool_windows(
            k.input.shape, k.widths, k.output, k.choice, k.pool,
            context, [=](std::int64_t i, std::int64_t c, auto lanes) __attribute__((always_inline)) {
              return affine(f, i, c, lanes);
            });
      });
}

/// Factor and offset of all channels lie in the scratch memory. The offset makes up for the rounding of the
/// mean.
template <typename K>
Affine make_affine(const K& k, const double* exact_mean, const float* mean, const double* inv_dev,
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
  return {k.input.template data<float>(), mean, factor, offset};
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
          for_rows(first, count, [=](std::int64_t from, std::int64_t to) {
            add_rows<1>(
                from, to, channels, sums,
                [=](std::int64_t row, std::int64_t c, auto lanes, Vec* total)
                    __attribute__((always_inline)) { total[0] += load(x + row * channels + c, lanes); });
          });
        },
        skip);
    for (std::int64_t c = 0; c < channels; ++c) centre[c] = rows > 0 ? static_cast<float>(sums[c] / rows) : 0;
    zero(sums, size);
    pixels.visit(
        begin, end,
        [&](std::int64_t first, std::int64_t count) {
          for_rows(first, count, [=](std::int64_t from, std::int64_t to) {
            add_rows<2>(
                from, to, channels, sums,
                [=](std::int64_t row, std::int64_t c, auto lanes, Vec* total) __attribute__((always_inline)) {
                  const Vec distance = load(x + row * channels + c, lanes) - load(centre + c, lanes);
                  total[0] += distance;
                  total[1] = fma(distance, distance, total[1]);
                });
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

}  // namespace

void run(const BatchNormTraining& k, Context& context) {
  if (k.input.dtype != DType::f32) return reference::run(k);
  const Pixels pixels(k.input.shape, k.widths);
  const std::int64_t channels = pixels.channels;
  double* mean = shared_doubles(context, (3 + 2 * pixels.blocks()) * channels);
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
  const Affine affine = make_affine(k, mean, rounded_mean, inv_dev, channels, context);
  if (k.choice)
    normalise_and_pool(affine, k, context);
  else
    normalise(affine, k.output, pixels, k.activation, context);
}

void run(const BatchNormInference& k, Context& context) {
  if (k.input.dtype != DType::f32) return reference::run(k);
  const Pixels pixels(k.input.shape, k.widths);
  double* inv_dev = shared_doubles(context, pixels.channels);
  for (std::int64_t c = 0; c < pixels.channels; ++c)
    inv_dev[c] = 1 / __builtin_sqrt(static_cast<double>(k.running_variance.data<float>()[c]) +
                                    static_cast<double>(k.epsilon));
  const float* mean = k.running_mean.data<float>();
  normalise(make_affine(k, nullptr, mean, inv_dev, pixels.channels, context), k.output, pixels, k.activation,
            context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
