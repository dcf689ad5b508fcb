// Forward and gradient of the input, which is a forward pass over the gradient of the output with windows
// turned round and channels exchanged.
//
//   V  [block of k][position][tile][kRowStride]   as multiply_block() takes A, k in words
//   U  [panel][position][k][kTileColumns]         as it takes B, in words too
//   M  [position][tile][columns of a task]        stays in the second cache
//
// Tiles come in groups. A thread takes a group through all steps alone, where there are enough groups for all
// threads and every thread can have U in a cache; else the tiles of several groups, larger ones, are
// transformed first, as many as the last cache holds, and each panel of U is then used for all of them.

#include "backends/cpu/conv2d_winograd.h"

#include "backends/cpu/conv2d_winograd_tiles.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr int kGroup = 2 * (kTileRows > 6 ? kTileRows : 2 * kTileRows), kLargeGroup = 2 * kGroup;  // tiles
constexpr int kPanels = 2;                                                // of columns, that M holds
constexpr std::int64_t kSharedTiles = 1 << 22, kSharedWindows = 1 << 22;  // floats of V, of U
constexpr int kMColumns = kPanels * kTileColumns;

struct Problem {
  TileGrid grid;
  const float* input;  // [N, in_height, in_width, inner]
  float* output;       // [N, out_height, out_width, columns]
  std::int64_t inner, columns;
  const float* bias;  // optional
  Activation activation;
};

template <int kHeight, int kWide>
struct Method {
  static constexpr int kRows = kHeight + 2, kColumns = kWide + 2, kPositions = kRows * kColumns;

  const Problem& p;
  const std::int64_t panels = ceil_div(p.columns, kTileColumns);
  const bool everyone_has_u = panels * panel_floats() <= kSharedWindows;
  /// Tiles in one. Where each group reads U from memory, it is to be worth it.
  const std::int64_t group = everyone_has_u || p.grid.tiles() <= kLargeGroup ? kGroup : kLargeGroup;
  const std::int64_t position_stride = group * kRowStride + 16, block_stride = kPositions * position_stride;
  const std::int64_t m_stride = group * kMColumns + 16;

  explicit Method(const Problem& problem) : p(problem) {}

  std::int64_t words() const { return words_of(p.inner); }
  std::int64_t v_floats() const { return ceil_div(words(), kBlockInner) * block_stride; }
  std::int64_t panel_floats() const { return kPositions * words() * kTileColumns; }

  /// U of one panel, from the taps that pack_tap(tap, to, first_k, inner) packs as panels of B.
  template <typename PackTap>
  TAPELINE_INLINE void transform_windows(float* u, std::int64_t k, std::int64_t count, float* taps,
                                         const PackTap& pack_tap) const {
    for (int tap = 0; tap < 9; ++tap) pack_tap(tap, taps + tap * count * kTileColumns, k, count);
    const auto transform = [=](std::int64_t at, Vec(&to)[kRows][kColumns]) __attribute__((always_inline)) {
      Vec window[3][3];
#pragma GCC unroll 9
      for (int tap = 0; tap < 9; ++tap)
        window[tap / 3][tap % 3] = load(taps + tap * count * kTileColumns + at);
      transform_both(window, to, Winograd<kHeight>::filter, Winograd<kWide>::filter);
    };
    for (std::int64_t i = 0; i < words_of(count) * kTileColumns; i += kWidth) {
      const std::int64_t at = i / kTileColumns * kPair * kTileColumns + i % kTileColumns;
      Vec to[kRows][kColumns];
      transform(at, to);
#if defined(TAPELINE_BF16)
      Vec next[kRows][kColumns] = {};
      if (at + kTileColumns < count * kTileColumns) transform(at + kTileColumns, next);
#pragma GCC unroll 36
      for (int at = 0; at < kPositions; ++at)
        to[at / kColumns][at % kColumns] =
            pair(to[at / kColumns][at % kColumns], next[at / kColumns][at % kColumns]);
#endif
#pragma GCC unroll 36
      for (int position = 0; position < kPositions; ++position)
        store(u + (position * words() + k / kPair) * kTileColumns + i,
              to[position / kColumns][position % kColumns]);
    }
  }

  /// V of tiles [first, first + count).
  void transform_tiles(std::int64_t first, std::int64_t count, float* v, const float* zeros) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const float* from[kRows][kColumns];
      p.grid.see(first + i, p.input, p.inner, zeros, from);
      for (std::int64_t k = 0; k < p.inner; k += kPair * kBlockInner) {
        float* to = v + k / (kPair * kBlockInner) * block_stride + i * kRowStride;
        for_vectors(
            0, smaller(kPair * kBlockInner, p.inner - k),
            [&](std::int64_t c, auto lanes) __attribute__((always_inline)) {
              Vec seen[kRows][kColumns], result[kRows][kColumns];
#pragma GCC unroll 36
              for (int at = 0; at < kPositions; ++at)
                seen[at / kColumns][at % kColumns] = load(from[at / kColumns][at % kColumns] + k + c, lanes);
              transform_both(seen, result, Winograd<kHeight>::input, Winograd<kWide>::input);
#pragma GCC unroll 36
              for (int at = 0; at < kPositions; ++at)
                store_words(to + at * position_stride, c, result[at / kColumns][at % kColumns], lanes);
            });
      }
    }
  }

  /// Panels [begin, end) of the outputs of those tiles.
  void multiply_tiles(std::int64_t first, std::int64_t count, const float* v, const float* u,
                      std::int64_t begin, std::int64_t end, float* m) const {
    for (std::int64_t panel = begin; panel < end; panel += kPanels) {
      const std::int64_t column = panel * kTileColumns;
      const std::int64_t columns = smaller(smaller(end - panel, kPanels) * kTileColumns, p.columns - column);
      for (int position = 0; position < kPositions; ++position) {
        float* rows[kLargeGroup];
        PlainRows{m + position * m_stride, kMColumns}(0, count, rows);
        for (std::int64_t k = 0; k < words(); k += kBlockInner) {
          const std::int64_t depth = smaller(kBlockInner, words() - k);
          const float* windows = u + panel * panel_floats() + (position * words() + k) * kTileColumns;
          multiply_block<Layout::by_rows>(count, columns, static_cast<int>(depth),
                                          v + k / kBlockInner * block_stride + position * position_stride,
                                          kRowStride, windows, kTileColumns, panel_floats(), rows, 0,
                                          {nullptr, k > 0}, windows + depth * kTileColumns);
        }
      }
      write_tiles(first, count, m, column, columns);
    }
  }

  /// A' M A, bias and activation.
  void write_tiles(std::int64_t first, std::int64_t count, const float* m, std::int64_t column,
                   std::int64_t columns) const {
    with_activation(
        p.activation, [&](auto f) __attribute__((always_inline)) {
          for (std::int64_t i = 0; i < count; ++i) {
            const Place place = p.grid.place(first + i);
            const std::int64_t rows = smaller(kHeight, p.grid.out_height - place.y);
            const std::int64_t across = smaller(kWide, p.grid.out_width - place.x);
            float* to =
                p.output +
                ((place.image * p.grid.out_height + place.y) * p.grid.out_width + place.x) * p.columns +
                column;
            for_vectors(
                0, columns, [&](std::int64_t c, auto lanes) __attribute__((always_inline)) {
                  Vec products[kRows][kColumns], result[kHeight][kWide];
#pragma GCC unroll 36
                  for (int at = 0; at < kPositions; ++at)
                    products[at / kColumns][at % kColumns] = load(m + at * m_stride + i * kMColumns + c);
                  transform_both(products, result, Winograd<kHeight>::output, Winograd<kWide>::output);
                  const Vec bias = p.bias ? load(p.bias + column + c, lanes) : Vec();
#pragma GCC unroll 4
                  for (int y = 0; y < kHeight; ++y)
#pragma GCC unroll 4
                    for (int x = 0; x < kWide; ++x)
                      if (y < rows && x < across)
                        store(to + (y * p.grid.out_width + x) * p.columns + c, f(result[y][x] + bias), lanes);
                });
          }
        });
  }

  /// pack_tap(panel, tap, to, first_k, inner): the window's tap as a panel of B.
  template <typename PackTap>
  void run(const PackTap& pack_tap, const Keep& keep, Context& context) const {
    const std::int64_t tiles = p.grid.tiles(), groups = ceil_div(tiles, group);
    if (tiles == 0 || p.columns == 0) return;

    constexpr std::int64_t kDepth = 16;  // taps of so many k fit the first cache
    const KeptCopy kept = kept_copy(*keep.view, keep.form, p.inner, p.columns, panels * panel_floats());
    float* u = kept.data ? kept.data : context.scratch.shared_floats(0, panels * panel_floats());
    const std::int64_t depths = ceil_div(p.inner, kDepth);
    context.pool.parallel_for(
        kept.filled ? 0 : panels * depths, 4, [&](std::int64_t begin, std::int64_t end) {
          float taps[9 * kDepth * kTileColumns];
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t panel = i / depths, k = i % depths * kDepth;
            transform_windows(
                u + panel * panel_floats(), k, smaller(kDepth, p.inner - k), taps,
                [&](int tap, float* to, std::int64_t first, std::int64_t inner)
                    __attribute__((always_inline)) { pack_tap(panel, tap, to, first, inner); });
          }
        });

    float* zeros = context.scratch.shared_floats(2, p.inner + kWidth);
    zero_floats(zeros, p.inner + kWidth);
    const std::int64_t m_floats = kPositions * m_stride + kTileColumns;
    const auto multiply = [&](std::int64_t index, const float* v, std::int64_t begin, std::int64_t end) {
      float* m = context.scratch.local_floats(1, m_floats);
      const std::int64_t first = index * group;
      multiply_tiles(first, smaller(group, tiles - first), v, u, begin, end, m);
    };
    if (everyone_has_u && groups >= 4 * context.pool.threads()) {
      context.pool.parallel_for(groups, 1, [&](std::int64_t index, std::int64_t) {
        float* v = context.scratch.local_floats(0, v_floats() + kTileRows * kRowStride);
        const std::int64_t first = index * group;
        transform_tiles(first, smaller(group, tiles - first), v, zeros);
        multiply(index, v, 0, panels);
      });
      return;
    }
    const std::int64_t most = larger(kSharedTiles / v_floats(), 1);
    float* v = context.scratch.shared_floats(1, smaller(groups, most) * v_floats() + kTileRows * kRowStride);
    for (std::int64_t begin = 0; begin < groups; begin += most) {
      const std::int64_t count = smaller(most, groups - begin), first = begin * group;
      context.pool.parallel_for(smaller(count * group, tiles - first), 1, [&](std::int64_t i, std::int64_t) {
        transform_tiles(first + i, 1, v + i / group * v_floats() + i % group * kRowStride, zeros);
      });
      const std::int64_t parts = ceil_div(panels, kPanels);
      context.pool.parallel_for(parts * count, 1, [&](std::int64_t task, std::int64_t) {
        const std::int64_t part = task / count, i = task % count;
        multiply(begin + i, v + i * v_floats(), part * kPanels, smaller((part + 1) * kPanels, panels));
      });
    }
  }
};

template <typename PackTap>
void run_tiles(const Problem& problem, const PackTap& pack_tap, const Keep& keep, Context& context) {
  const WinogradTile& tile = problem.grid.tile;
  if (tile.height == 4 && tile.width == 4) return Method<4, 4>(problem).run(pack_tap, keep, context);
  if (tile.height == 4 && tile.width == 2) return Method<4, 2>(problem).run(pack_tap, keep, context);
  Method<2, 2>(problem).run(pack_tap, keep, context);
}

}  // namespace

void winograd_forward(const Conv2dForward& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const float* weight = k.weight.data<float>();
  const std::int64_t in = g.in_channels, out = g.out_channels;
  const Problem problem{
      forward_grid(g, winograd_tile(g, kPrecision)), k.input.data<float>(), k.output.data<float>(), in, out,
      k.bias ? k.bias.data<float>() : nullptr,       k.activation};
  run_tiles(
      problem,
      [=](std::int64_t panel, int tap, float* to, std::int64_t first, std::int64_t inner) {
        const std::int64_t column = panel * kTileColumns;
        PackB{weight + tap * in * out, out}(to, first, inner, column, smaller(kTileColumns, out - column));
      },
      {&k.weight, form_number(Form::winograd, problem.grid.tile.height * 16 + problem.grid.tile.width)},
      context);
}

void winograd_backward_input(const Conv2dBackwardInput& k, Context& context) {
  const Conv2dGeometry& g = k.geometry;
  const float* weight = k.weight.data<float>();
  const std::int64_t in = g.in_channels, out = g.out_channels;
  const TileGrid grid{winograd_tile(g, kPrecision),
                      g.batch,
                      g.out_height,
                      g.out_width,
                      g.in_height,
                      g.in_width,
                      2 - g.window.pad_top,
                      2 - g.window.pad_left};
  const Problem problem{grid, k.grad_output.data<float>(), k.grad_input.data<float>(), out, in, nullptr, {}};
  run_tiles(
      problem,
      [=](std::int64_t panel, int tap, float* to, std::int64_t first, std::int64_t inner) {
        const std::int64_t column = panel * kTileColumns;
        PackTransposedB{weight + (8 - tap) * in * out, out}(to, first, inner, column,
                                                            smaller(kTileColumns, in - column));
      },
      {&k.weight,
       form_number(Form::turned_winograd, problem.grid.tile.height * 16 + problem.grid.tile.width)},
      context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
