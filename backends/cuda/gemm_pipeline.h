#pragma once

// The product of gemm_tile.h for 16-bit factors that lie in memory as such, at the speed of the matrix units:
// a block computes a tile of c, a warp a part of it in registers, and while one step of kDepth of k is
// multiplied the next two are on their way into shared memory. Nothing passes through registers on that way,
// so factors must come in eights: eight neighbours along the index whose neighbours are neighbours in memory,
// aligned to 16 bytes, all there or none of them.
//
// An operand is one of gemm_tile.h that has, in place of load(),
//   find(o, i)     where the eight elements begin; null where they are 0
//   kNear          whether what is read will soon be read again by the same block
// and a store is called with two neighbours in a row of c: operator()(m, n, value, value after it, part).

#include <cmath>

#include "backends/cuda/gemm_tile.h"
#include "backends/cuda/matrix_units.h"

namespace tapeline::cuda {

/// Warps of a block, and what each of them computes: 16 kTall by 8 kWide elements.
template <typename Type, int kWarpRowsOf, int kWarpColumnsOf, int kTallOf, int kWideOf>
struct PipelineTile {
  using Half = Type;
  static constexpr int kTall = kTallOf, kWide = kWideOf, kWarpColumns = kWarpColumnsOf;
  static constexpr int kThreadsOfBlock = 32 * kWarpRowsOf * kWarpColumnsOf;
  static constexpr int kRows = 16 * kTall * kWarpRowsOf, kColumns = 8 * kWide * kWarpColumnsOf;
  static constexpr int kDepth = 32, kStages = 3;
};
template <typename Half>
using LargeTile = PipelineTile<Half, 4, 2, 4, 8>;  // 256 by 128, one block on a multiprocessor
template <typename Half>
using MediumTile = PipelineTile<Half, 2, 2, 4, 8>;  // 128 by 128, two
template <typename Half>
using SmallTile = PipelineTile<Half, 2, 2, 4, 4>;  // 128 by 64, four
enum class TileSize { small, medium, large };

/// One operand's part of a step, kWidth by kDepth elements, in shared memory as it lies in memory: rows of
/// the index along which neighbours are neighbours, with 16 bytes between them so that eight rows lie in
/// different banks.
template <typename Tile, typename Operand, int kWidth>
class PipelineLoader {
 public:
  using Half = typename Tile::Half;
  static constexpr int kStride = (Operand::kAlongK ? Tile::kDepth : kWidth) + 8;
  static constexpr int kElements = (Operand::kAlongK ? kWidth : Tile::kDepth) * kStride;

  __device__ PipelineLoader(const Operand& operand, int first, int count) : operand_(operand) {
    const int thread = static_cast<int>(threadIdx.x);
    outer_ = Operand::kAlongK ? thread / kEights : thread % kEights * 8;
    inner_ = Operand::kAlongK ? thread % kEights * 8 : thread / kEights;
#pragma unroll
    for (int s = 0; s < kOuterSlots; ++s) {
      const int index = first + outer_ + s * kStep;
      inside_[s] = index < count;
      places_[s] = inside_[s] ? operand.outer(index) : typename Operand::Outer{};
    }
  }

  __device__ void fetch(Half* to, int k, int end) const {
#pragma unroll
    for (int i = 0; i < kInnerSlots; ++i) {
      const int inner = inner_ + i * kStep;
      const bool meets = k + inner < end;
      const auto place = operand_.inner(meets ? k + inner : 0);
#pragma unroll
      for (int o = 0; o < kOuterSlots; ++o) {
        const int outer = outer_ + o * kStep;
        const Half* from = meets && inside_[o] ? operand_.find(places_[o], place) : nullptr;
        copy_async<Operand::kNear>(
            to + (Operand::kAlongK ? outer * kStride + inner : inner * kStride + outer),
            from ? from : operand_.data, from != nullptr);
      }
    }
  }

 private:
  static constexpr int kEights = (Operand::kAlongK ? Tile::kDepth : kWidth) / 8;
  static constexpr int kStep = Tile::kThreadsOfBlock / kEights;
  static constexpr int kOuterSlots = Operand::kAlongK ? kWidth / kStep : 1,
                       kInnerSlots = Operand::kAlongK ? 1 : Tile::kDepth / kStep;
  static_assert(kStep * kEights == Tile::kThreadsOfBlock &&
                (Operand::kAlongK ? kOuterSlots * kStep == kWidth : kInnerSlots * kStep == Tile::kDepth));

  const Operand& operand_;
  int outer_, inner_;
  typename Operand::Outer places_[kOuterSlots];
  bool inside_[kOuterSlots];
};

template <typename Tile, typename A, typename B, typename Store>
__global__ void __launch_bounds__(Tile::kThreadsOfBlock)
    multiply_in_pipeline(GemmSizes sizes, int column_tiles, A a, B b, Store store) {
  using Half = typename Tile::Half;
  constexpr int kDepth = Tile::kDepth, kStages = Tile::kStages, kTall = Tile::kTall, kWide = Tile::kWide;
  using LoadA = PipelineLoader<Tile, A, Tile::kRows>;
  using LoadB = PipelineLoader<Tile, B, Tile::kColumns>;
  Half* stages = dynamic_shared<Half>();

  const int first_row = static_cast<int>(blockIdx.x) / column_tiles * Tile::kRows;
  const int first_column = static_cast<int>(blockIdx.x) % column_tiles * Tile::kColumns;
  const int group = static_cast<int>(blockIdx.z) / sizes.parts,
            part = static_cast<int>(blockIdx.z) % sizes.parts;
  const int begin = static_cast<int>(static_cast<std::int64_t>(sizes.inner) * part / sizes.parts);
  const int end = static_cast<int>(static_cast<std::int64_t>(sizes.inner) * (part + 1) / sizes.parts);
  a.select(group), b.select(group), store.select(group);

  const LoadA load_a(a, first_row, sizes.rows);
  const LoadB load_b(b, first_column, sizes.columns);
  const auto fetch = [&](int stage, int k) {
    Half* to = stages + stage * (LoadA::kElements + LoadB::kElements);
    if (k < end) load_a.fetch(to, k, end), load_b.fetch(to + LoadA::kElements, k, end);
    end_copies();
  };
  for (int s = 0; s < kStages - 1; ++s) fetch(s, begin + s * kDepth);

  // Which row of which of the four matrices this lane names to load_matrices(): those of 16 by 16 elements of
  // a operand, in the order that multiply_add() wants.
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = warp / Tile::kWarpColumns * 16 * kTall, column = warp % Tile::kWarpColumns * 8 * kWide;
  const int low = lane % 8, odd = lane / 8 % 2 * 8, upper = lane / 16 * 8;
  const int at_a =
      A::kAlongK ? (row + low + odd) * LoadA::kStride + upper : (low + upper) * LoadA::kStride + row + odd;
  const int at_b = B::kAlongK ? (column + low + upper) * LoadB::kStride + odd
                              : (low + odd) * LoadB::kStride + column + upper;
  float sums[kTall][kWide][4] = {};
  int stage = 0;
  for (int k = begin; k < end; k += kDepth) {
    wait_for_copies<kStages - 2>();
    __syncthreads();  // also: all have multiplied what the next fetch overwrites
    fetch(stage == 0 ? kStages - 1 : stage - 1, k + (kStages - 1) * kDepth);
    const Half* tile_a = stages + stage * (LoadA::kElements + LoadB::kElements) + at_a;
    const Half* tile_b = stages + stage * (LoadA::kElements + LoadB::kElements) + LoadA::kElements + at_b;
#pragma unroll
    for (int step = 0; step < kDepth; step += 16) {
      unsigned x[kTall][4], y[kWide / 2][4];
#pragma unroll
      for (int i = 0; i < kTall; ++i)
        if constexpr (A::kAlongK)
          load_matrices(x[i], tile_a + 16 * i * LoadA::kStride + step);
        else
          load_matrices_turned(x[i], tile_a + step * LoadA::kStride + 16 * i);
#pragma unroll
      for (int j = 0; j < kWide / 2; ++j)
        if constexpr (B::kAlongK)
          load_matrices(y[j], tile_b + 16 * j * LoadB::kStride + step);
        else
          load_matrices_turned(y[j], tile_b + step * LoadB::kStride + 16 * j);
#pragma unroll
      for (int i = 0; i < kTall; ++i)
#pragma unroll
        for (int j = 0; j < kWide; ++j)
          multiply_add<Half>(sums[i][j], x[i], y[j / 2][j % 2 * 2], y[j / 2][j % 2 * 2 + 1]);
    }
    stage = stage == kStages - 1 ? 0 : stage + 1;
  }

#pragma unroll
  for (int i = 0; i < kTall; ++i)
#pragma unroll
    for (int j = 0; j < kWide; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int m = first_row + row + 16 * i + 8 * half + lane / 4,
                  n = first_column + column + 8 * j + lane % 4 * 2;
        if (m < sizes.rows && n < sizes.columns)
          store(m, n, sums[i][j][2 * half], sums[i][j][2 * half + 1], part);
      }
}

/// Two neighbours at once; `to` is aligned to both.
__device__ inline void store_pair(float* to, float value, float next) {
  *reinterpret_cast<float2*>(to) = {value, next};
}

// Launching -------------------------------------------------------------------------------------------------

struct PipelinePlan {
  TileSize tile = TileSize::small;
  int parts = 1;
};

/// A rough count of clock cycles. The smaller a tile, the more it reads for each multiplication; but where a
/// block is alone, nobody multiplies while it writes. An element of c that has several parts is written and
/// read once for each.
inline double pipeline_cycles(const Context& context, const GemmSizes& sizes, const PipelinePlan& plan) {
  constexpr double kMultiplyAdds = 1200;  // of a multiprocessor in a cycle
  constexpr double kBytes = 2300;         // of all the memory in a cycle
  const bool is_large = plan.tile == TileSize::large, is_small = plan.tile == TileSize::small;
  const int rows = is_large ? 256 : 128, columns = is_small ? 64 : 128;
  const double tiles = static_cast<double>(divide_up(sizes.rows, rows)) *
                       static_cast<double>(divide_up(sizes.columns, columns)) * sizes.groups * plan.parts;
  const double depth = static_cast<double>(divide_up(sizes.inner, plan.parts)) + 200;  // until it gets going
  const double slower = is_large ? 1 : is_small ? 1.4 : 1.1;
  const double write = is_large ? 4.0 * rows * columns * context.multiprocessors / kBytes : 0;
  const double elements = static_cast<double>(sizes.rows) * sizes.columns * sizes.groups;
  return std::ceil(tiles / context.multiprocessors) *
             (slower * depth * rows * columns / kMultiplyAdds + write) +
         (plan.parts > 1 ? plan.parts * elements * 8 / kBytes : 0);
}

/// Which tile, and into how many parts k is cut, up to `most`.
inline PipelinePlan plan_pipeline(const Context& context, const GemmSizes& sizes, int most) {
  PipelinePlan best;
  double least = 0;
  for (int parts = 1; parts <= most && (parts == 1 || sizes.inner / parts >= 256); ++parts)
    for (const TileSize tile : {TileSize::small, TileSize::medium, TileSize::large}) {
      const double cycles = pipeline_cycles(context, sizes, {tile, parts});
      if (least == 0 || cycles < least) best = {tile, parts}, least = cycles;
    }
  return best;
}

template <typename Tile, typename A, typename B, typename Store>
void launch_pipeline(Context& context, const GemmSizes& sizes, const A& a, const B& b, const Store& store) {
  const std::int64_t column_tiles = divide_up(sizes.columns, Tile::kColumns);
  const std::size_t shared =
      sizeof(typename Tile::Half) * Tile::kStages *
      (PipelineLoader<Tile, A, Tile::kRows>::kElements + PipelineLoader<Tile, B, Tile::kColumns>::kElements);
  const dim3 grid(static_cast<unsigned>(divide_up(sizes.rows, Tile::kRows) * column_tiles), 1,
                  static_cast<unsigned>(sizes.groups * sizes.parts));
  launch(context, multiply_in_pipeline<Tile, A, B, Store>, grid, Tile::kThreadsOfBlock, shared, sizes,
         static_cast<int>(column_tiles), a, b, store);
}

/// `sizes.parts` and the tile as planned.
template <typename Half, typename A, typename B, typename Store>
void multiply_rounded(Context& context, const GemmSizes& sizes, TileSize tile, const A& a, const B& b,
                      const Store& store) {
  if (sizes.rows == 0 || sizes.columns == 0 || sizes.groups == 0) return;
  switch (tile) {
    case TileSize::small:
      return launch_pipeline<SmallTile<Half>>(context, sizes, a, b, store);
    case TileSize::medium:
      return launch_pipeline<MediumTile<Half>>(context, sizes, a, b, store);
    case TileSize::large:
      return launch_pipeline<LargeTile<Half>>(context, sizes, a, b, store);
  }
}

/// Calls body<Half>() with the type that the precision rounds factors to, where it is one of 16 bits. Whether
/// it is.
template <typename Body>
bool with_half(Precision precision, Body&& body) {
  if (precision == Precision::bf16)
    body.template operator()<__nv_bfloat16>();
  else if (precision == Precision::fp16)
    body.template operator()<__half>();
  else
    return false;
  return true;
}

}  // namespace tapeline::cuda
