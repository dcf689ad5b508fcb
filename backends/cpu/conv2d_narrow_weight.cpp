// Gradient of the weights of a narrow convolution: kTaps taps by two vectors of channels stay in registers
// while a row of outputs goes by, then are added to the sums of a part of the rows. What the parts have is
// added in order.

#include "backends/cpu/conv2d_narrow.h"
#include "backends/cpu/gemm.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr int kTaps = 6;
constexpr std::int64_t kMostParts = 64;

/// to[t] += sum over the outputs x of a row of from[offsets[t] + x step] grad[x], for channels of two
/// vectors, the last lanes of which may not be there.
template <int kCount, int kVectors>
TAPELINE_INLINE void add_taps(const float* from, const std::int64_t* offsets, std::int64_t step,
                              const float* grad, std::int64_t out, std::int64_t width, int last_lanes,
                              float* to) {
  const auto lanes = [&](int j) { return j + 1 < kVectors ? kWidth : last_lanes; };
  const float* at[kCount];
#pragma GCC unroll 6
  for (int t = 0; t < kCount; ++t) at[t] = from + offsets[t];
  Vec sums[kCount][kVectors];
  for (std::int64_t x = 0; x < width; ++x, grad += out) {
    Vec g[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j)
      g[j] = j + 1 < kVectors ? load(grad + j * kWidth) : load(grad + j * kWidth, last_lanes);
#pragma GCC unroll 6
    for (int t = 0; t < kCount; ++t) {
      const Vec value(at[t][x * step]);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sums[t][j] = fma(value, g[j], sums[t][j]);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < kCount; ++t)
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      float* sum = to + t * out + j * kWidth;
      store(sum, load(sum, lanes(j)) + sums[t][j], lanes(j));
    }
}

template <int kVectors>
void add_row(const float* from, const std::int64_t* offsets, std::int64_t taps, std::int64_t step,
             const float* grad, std::int64_t out, std::int64_t width, int last_lanes, float* to) {
  std::int64_t t = 0;
  for (; t + kTaps <= taps; t += kTaps)
    add_taps<kTaps, kVectors>(from, offsets + t, step, grad, out, width, last_lanes, to + t * out);
  for (; t + 3 <= taps; t += 3)
    add_taps<3, kVectors>(from, offsets + t, step, grad, out, width, last_lanes, to + t * out);
  for (; t < taps; ++t)
    add_taps<1, kVectors>(from, offsets + t, step, grad, out, width, last_lanes, to + t * out);
}

}  // namespace

void narrow_backward_weight(const Conv2dBackwardWeight& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const PaddedRows padded(g);
  const std::int64_t taps = padded.taps, out = g.out_channels, width = g.out_width;
  std::int64_t offsets[kMostTaps + 1];
  padded.find_offsets(offsets);
  // The gradient of the bias is that of a tap which always sees a 1.
  const std::int64_t one = padded.floats(), all_taps = taps + (k.grad_bias ? 1 : 0);
  offsets[taps] = one;

  const std::int64_t rows = std::int64_t{g.batch} * g.out_height, part_floats = all_taps * out;
  const std::int64_t parts = smaller(kMostParts, larger(rows, 1));
  float* sums = context.scratch.shared_floats(1, parts * part_floats);
  context.pool.parallel_for(parts, 1, [&](std::int64_t part, std::int64_t) {
    const std::int64_t step = padded.step();
    float* seen = context.scratch.local_floats(0, one + width * step + kWidth);
    for (std::int64_t x = 0; x < width; ++x) seen[one + x * step] = 1;
    float* to = sums + part * part_floats;
    zero_floats(to, part_floats);
    for (std::int64_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row) {
      padded.fill(k.input.data<float>(), row, seen);
      const float* grad = k.grad_output.data<float>() + row * width * out;
      std::int64_t c = 0;
      for (; c + 2 * kWidth <= out; c += 2 * kWidth)
        add_row<2>(seen, offsets, all_taps, step, grad + c, out, width, kWidth, to + c);
      for (; c < out; c += kWidth)
        add_row<1>(seen, offsets, all_taps, step, grad + c, out, width,
                   static_cast<int>(smaller(kWidth, out - c)), to + c);
    }
  });
  add_parts(sums, parts, part_floats, taps * out, k.grad_weight.data<float>(), out, out, false, context);
  if (k.grad_bias)
    add_parts(sums + taps * out, parts, part_floats, out, k.grad_bias.data<float>(), out, out, false,
              context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
