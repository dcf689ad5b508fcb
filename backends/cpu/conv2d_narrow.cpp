// A tile of kPixels outputs by two vectors of channels stays in registers while all taps are added to it.

#include "backends/cpu/conv2d_narrow.h"

#include "backends/cpu/activate.h"
#include "backends/cpu/gemm.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr int kPixels = kTileRows > 6 ? 12 : 6;

struct Row {
  const Conv2dForward& k;
  const float* padded;          // [window rows][padded width, C], what an output row sees
  const std::int64_t* offsets;  // of each tap and channel in `padded`
  std::int64_t taps, step;      // step: from one output to the next

  /// Outputs [x, x + kCount) of channels [channel, channel + kVectors * kWidth), the last vector in part.
  template <int kCount, int kVectors, typename Activate>
  TAPELINE_INLINE void tile(float* to, std::int64_t x, std::int64_t channel, int last_lanes,
                            Activate f) const {
    const std::int64_t out = k.geometry.out_channels;
    const auto lanes = [&](int j) { return j + 1 < kVectors ? kWidth : last_lanes; };
    Vec sums[kCount][kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      const Vec bias = k.bias ? load(k.bias.data<float>() + channel + j * kWidth, lanes(j)) : Vec();
#pragma GCC unroll 12
      for (int i = 0; i < kCount; ++i) sums[i][j] = bias;
    }
    const float* weight = k.weight.data<float>() + channel;
    const float* from = padded + x * step;
    for (std::int64_t t = 0; t < taps; ++t, weight += out) {
      Vec w[kVectors];
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) w[j] = load(weight + j * kWidth, lanes(j));
      const float* at = from + offsets[t];
#pragma GCC unroll 12
      for (int i = 0; i < kCount; ++i, at += step) {
        const Vec value(*at);
#pragma GCC unroll 2
        for (int j = 0; j < kVectors; ++j) sums[i][j] = fma(value, w[j], sums[i][j]);
      }
    }
#pragma GCC unroll 12
    for (int i = 0; i < kCount; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j)
        store(to + (x + i) * out + channel + j * kWidth, f(sums[i][j]), lanes(j));
  }

  template <int kCount, typename Activate>
  TAPELINE_INLINE void pixels(float* to, std::int64_t x, Activate f) const {
    const std::int64_t out = k.geometry.out_channels;
    std::int64_t channel = 0;
    for (; channel + 2 * kWidth <= out; channel += 2 * kWidth) tile<kCount, 2>(to, x, channel, kWidth, f);
    for (; channel < out; channel += kWidth)
      tile<kCount, 1>(to, x, channel, static_cast<int>(smaller(kWidth, out - channel)), f);
  }
};

}  // namespace

void narrow_forward(const Conv2dForward& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const PaddedRows padded(g);
  const std::int64_t taps = padded.taps, out = g.out_channels;
  std::int64_t offsets[kMostTaps];
  padded.find_offsets(offsets);

  const std::int64_t rows = std::int64_t{g.batch} * g.out_height;
  const std::int64_t grain = larger(kTaskWork / 8 / larger(g.out_width * taps * out, 1), 1);
  context.pool.parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    float* seen = context.scratch.local_floats(0, padded.floats() + kWidth);
    for (std::int64_t row = begin; row < end; ++row) {
      padded.fill(k.input.data<float>(), row, seen);
      const Row at{k, seen, offsets, taps, padded.step()};
      float* to = k.output.data<float>() + row * g.out_width * out;
      with_activation(
          k.activation, [&](auto f) __attribute__((always_inline)) {
            std::int64_t x = 0;
            for (; x + kPixels <= g.out_width; x += kPixels) at.template pixels<kPixels>(to, x, f);
            for (; x < g.out_width; ++x) at.template pixels<1>(to, x, f);
          });
    }
  });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
