// Gradient of the windows: g' = G' (sum over tiles of V (x) Z) G with V = B' d B of the inputs that a tile
// sees and Z = A y A' of the gradient of its outputs. At each position that is a product [C, tiles] [tiles,
// O].
//
//   V  [position][tile][C, padded]     Z  [position][tile][O, padded]     of a group of tiles, tiles in words
//   sums  [position][C][O]
//
// A group is transformed by all threads, tile by tile, then multiplied by all, position by position. Sums run
// over the groups in order, so they are the same with any number of threads.

#include "backends/cpu/conv2d_winograd.h"
#include "backends/cpu/conv2d_winograd_tiles.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr int kTile = 4, kSeen = kTile + 2, kPositions = kSeen * kSeen, kTaps = 3;
constexpr std::int64_t kGroup = 256;  // tiles
constexpr std::int64_t kDepth = 128;  // most words of tiles in a block of the product
constexpr std::int64_t kChunk = 8;    // tiles that a thread transforms at a time

struct Gradient {
  const Conv2dBackwardWeight& k;
  TileGrid grid;
  std::int64_t in, out;
  float *v, *z, *sums, *bias_sums;  // bias_sums [chunk of a group][O], null where nobody asks
  const float* zeros;

  std::int64_t v_stride() const { return odd_lines(in); }
  std::int64_t z_stride() const { return odd_lines(out); }
  // From one position to the next; a line more, so that positions do not collide in a cache.
  std::int64_t v_position() const { return kGroup / kPair * v_stride() + 16; }
  std::int64_t z_position() const { return kGroup / kPair * z_stride() + 16; }

  /// transform(tile, c, lanes, result) of the kPair tiles from `tile`, of which `count` are there, as a row
  /// of words for each position.
  template <typename Transform>
  TAPELINE_INLINE static void transform_word(std::int64_t count, std::int64_t channels, float* to,
                                             std::int64_t to_position, const Transform& transform) {
    for_vectors(
        0, channels, [&](std::int64_t c, auto lanes) __attribute__((always_inline)) {
          Vec result[kSeen][kSeen];
          transform(0, c, lanes, result);
#if defined(TAPELINE_BF16)
          Vec next[kSeen][kSeen] = {};
          if (count > 1) transform(1, c, lanes, next);
#pragma GCC unroll 36
          for (int at = 0; at < kPositions; ++at)
            store(to + at * to_position + c,
                  pair(result[at / kSeen][at % kSeen], next[at / kSeen][at % kSeen]), lanes);
#else
          static_cast<void>(count);
#pragma GCC unroll 36
          for (int at = 0; at < kPositions; ++at)
            store(to + at * to_position + c, result[at / kSeen][at % kSeen], lanes);
#endif
        });
  }

  /// Tiles tile .. tile + count, a word, as those from i on of the group.
  void transform_input(std::int64_t tile, std::int64_t count, std::int64_t i) const {
    const float* from[kPair][kSeen][kSeen];
    for (std::int64_t n = 0; n < count; ++n) grid.see(tile + n, k.input.data<float>(), in, zeros, from[n]);
    transform_word(
        count, in, v + i / kPair * v_stride(), v_position(),
        [&](int n, std::int64_t c, auto lanes, Vec(&result)[kSeen][kSeen]) __attribute__((always_inline)) {
          Vec seen[kSeen][kSeen];
#pragma GCC unroll 36
          for (int at = 0; at < kPositions; ++at)
            seen[at / kSeen][at % kSeen] = load(from[n][at / kSeen][at % kSeen] + c, lanes);
          transform_both(seen, result, Winograd<kTile>::input, Winograd<kTile>::input);
        });
  }

  void transform_gradient(std::int64_t tile, std::int64_t count, std::int64_t i, float* bias) const {
    const float* from[kPair][kTile][kTile];
    TileGrid outputs = grid;  // a tile's own outputs, as what it sees without a border
    outputs.in_height = grid.out_height;
    outputs.in_width = grid.out_width;
    outputs.pad_top = outputs.pad_left = 0;
    for (std::int64_t n = 0; n < count; ++n)
      outputs.see(tile + n, k.grad_output.data<float>(), out, zeros, from[n]);
    transform_word(
        count, out, z + i / kPair * z_stride(), z_position(),
        [&](int n, std::int64_t c, auto lanes, Vec(&result)[kSeen][kSeen]) __attribute__((always_inline)) {
          Vec seen[kTile][kTile], sum;
#pragma GCC unroll 16
          for (int at = 0; at < kTile * kTile; ++at) {
            seen[at / kTile][at % kTile] = load(from[n][at / kTile][at % kTile] + c, lanes);
            sum += seen[at / kTile][at % kTile];
          }
          if (bias) store(bias + c, load(bias + c, lanes) + sum, lanes);
          transform_both(seen, result, Winograd<kTile>::output_gradient, Winograd<kTile>::output_gradient);
        });
  }

  /// Rows [row, row + count) of the sums at a position, over `tiles` of the group.
  void multiply_position(std::int64_t position, std::int64_t row, std::int64_t count, std::int64_t tiles,
                         bool add) const {
    float* rows[kBlockRows];
    PlainRows{sums + position * in * out, out}(row, count, rows);
    const std::int64_t words = words_of(tiles);
    for (std::int64_t word = 0; word < words; word += kDepth)
      multiply_block<Layout::by_columns>(count, out, static_cast<int>(smaller(kDepth, words - word)),
                                         v + position * v_position() + word * v_stride() + row, v_stride(),
                                         z + position * z_position() + word * z_stride(), z_stride(),
                                         kTileColumns, rows, 0, {nullptr, add || word > 0});
  }

  /// G' u G for one input channel.
  void write_windows(std::int64_t channel) const {
    float* to = k.grad_weight.data<float>() + channel * out;
    const float* from = sums + channel * out;
    for_vectors(
        0, out, [&](std::int64_t c, auto lanes) __attribute__((always_inline)) {
          Vec sum[kSeen][kSeen], result[kTaps][kTaps];
#pragma GCC unroll 36
          for (int at = 0; at < kPositions; ++at)
            sum[at / kSeen][at % kSeen] = load(from + at * in * out + c, lanes);
          transform_both(sum, result, Winograd<kTile>::filter_gradient, Winograd<kTile>::filter_gradient);
#pragma GCC unroll 9
          for (int at = 0; at < kTaps * kTaps; ++at)
            store(to + at * in * out + c, result[at / kTaps][at % kTaps], lanes);
        });
  }
};

}  // namespace

void winograd_backward_weight(const Conv2dBackwardWeight& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const std::int64_t in = g.in_channels, out = g.out_channels;
  constexpr std::int64_t kChunks = kGroup / kChunk;
  const TileGrid grid = forward_grid(g, winograd_weight_tile(g));
  Gradient gradient{k, grid, in, out, nullptr, nullptr, nullptr, nullptr, nullptr};
  const std::int64_t v_floats = kPositions * gradient.v_position() + kTileRows;
  const std::int64_t z_floats = kPositions * gradient.z_position() + kTileColumns;
  gradient.v = context.scratch.shared_floats(0, v_floats + z_floats);
  gradient.z = gradient.v + v_floats;
  gradient.sums = context.scratch.shared_floats(1, kPositions * in * out);
  float* zeros = context.scratch.shared_floats(2, larger(in, out) + kWidth);
  zero_floats(zeros, larger(in, out) + kWidth);
  gradient.zeros = zeros;
  if (k.grad_bias) {
    gradient.bias_sums = context.scratch.shared_floats(3, kChunks * out);
    zero_floats(gradient.bias_sums, kChunks * out);
  }

  const std::int64_t tiles = grid.tiles(), row_parts = ceil_div(in, kBlockRows);
  const std::int64_t height = round_up(ceil_div(in, row_parts), kTileRows);
  if (tiles == 0) zero_floats(gradient.sums, kPositions * in * out);
  for (std::int64_t first = 0; first < tiles; first += kGroup) {
    const std::int64_t count = smaller(kGroup, tiles - first);
    context.pool.parallel_for(count, kChunk, [&](std::int64_t begin, std::int64_t end) {
      float* bias = gradient.bias_sums ? gradient.bias_sums + begin / kChunk * out : nullptr;
      for (std::int64_t i = begin; i < end; i += kPair) {
        const std::int64_t some = smaller(kPair, end - i);
        gradient.transform_input(first + i, some, i);
        gradient.transform_gradient(first + i, some, i, bias);
      }
    });
    context.pool.parallel_for(kPositions * row_parts, 1, [&](std::int64_t task, std::int64_t) {
      const std::int64_t row = task % row_parts * height;
      if (row >= in) return;
      gradient.multiply_position(task / row_parts, row, smaller(height, in - row), count, first > 0);
    });
  }
  context.pool.parallel_for(in, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t channel = begin; channel < end; ++channel) gradient.write_windows(channel);
  });
  if (k.grad_bias)
    add_parts(gradient.bias_sums, kChunks, out, out, k.grad_bias.data<float>(), out, out, false, context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
