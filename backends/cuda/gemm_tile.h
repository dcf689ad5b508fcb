#pragma once

// c(m, n) = sum over k of a(m, k) b(k, n), for a and b that are looked up by functions: matrices in any
// layout, and images seen as the matrix of a convolution ("implicit GEMM", which never writes that matrix
// down). A block computes a tile of c; a step takes kDepth columns of a and rows of b into shared memory
// while the step before is being computed.
//
// An operand has
//   kAlongK        whether neighbours along k are neighbours in memory; else neighbours along m (of a), n (of
//   b) are select(group)  goes to one of several independent products outer(i)       what is to be known of
//   row m of a or column n of b, found once inner(k)       what is to be known of column k of a or row k of
//   b, found once a step load(o, i)     the element; 0 where the two do not meet
// and a store has select(group), and operator()(m, n, value, part), called once for each element of c (and
// part of k).

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

#include <algorithm>
#include <type_traits>

#include "backends/cuda/launch.h"

namespace tapeline::cuda {

/// Sizes of the problem. `parts` cuts k in pieces that different blocks compute.
struct GemmSizes {
  int rows = 0, columns = 0, inner = 0;
  int groups = 1, parts = 1;
};

// Tiles -----------------------------------------------------------------------------------------------------

/// Brings kWidth outer by kDepth inner indices of an operand into shared memory, `to[inner][outer]`, by all
/// threads of a block. Between fetch() and put() the values are in registers.
template <typename T, typename Operand, int kWidth, int kDepth>
class TileLoader {
 public:
  __device__ TileLoader(const Operand& operand, int first, int count) : operand_(operand) {
    const int thread = static_cast<int>(threadIdx.x);
    outer_ = Operand::kAlongK ? thread / kDepth : thread % kWidth;
    inner_ = Operand::kAlongK ? thread % kDepth : thread / kWidth;
    for (int s = 0; s < kOuterSlots; ++s) {
      const int index = first + outer_ + s * kOuterStep;
      inside_[s] = index < count;
      places_[s] = inside_[s] ? operand.outer(index) : typename Operand::Outer{};
    }
  }

  __device__ void fetch(int k, int end) {
#pragma unroll
    for (int i = 0; i < kInnerSlots; ++i) {
      const int index = k + inner_ + i * kInnerStep;
      if (index < end) {
        const auto place = operand_.inner(index);
#pragma unroll
        for (int o = 0; o < kOuterSlots; ++o)
          values_[i * kOuterSlots + o] = inside_[o] ? operand_.load(places_[o], place) : T(0);
      } else {
#pragma unroll
        for (int o = 0; o < kOuterSlots; ++o) values_[i * kOuterSlots + o] = T(0);
      }
    }
  }

  template <typename To, typename Convert>
  __device__ void put(To* to, int stride, Convert convert) const {
#pragma unroll
    for (int i = 0; i < kInnerSlots; ++i)
#pragma unroll
      for (int o = 0; o < kOuterSlots; ++o)
        to[(inner_ + i * kInnerStep) * stride + outer_ + o * kOuterStep] =
            convert(values_[i * kOuterSlots + o]);
  }

 private:
  static constexpr int kOuterStep = Operand::kAlongK ? kThreads / kDepth : kWidth;
  static constexpr int kInnerStep = Operand::kAlongK ? kDepth : kThreads / kWidth;
  static constexpr int kOuterSlots = kWidth / kOuterStep, kInnerSlots = kDepth / kInnerStep;
  static_assert(kOuterSlots * kInnerSlots * kThreads == kWidth * kDepth);

  const Operand& operand_;
  int outer_, inner_;
  typename Operand::Outer places_[kOuterSlots];
  bool inside_[kOuterSlots];
  T values_[kOuterSlots * kInnerSlots];
};

/// Multiplies on the ordinary units: each thread has kTall by kWide elements of the tile in registers.
template <typename T, int kRows, int kColumns>
struct PlainMath {
  using Value = T;
  using Shared = T;
  static constexpr int kTileRows = kRows, kTileColumns = kColumns, kDepth = 16, kPad = 16 / sizeof(T);
  static constexpr int kTall = kRows / 16, kWide = kColumns / 16;

  T sums[kTall][kWide] = {};

  __device__ static Shared convert(T value) { return value; }

  __device__ void multiply(const T* a, const T* b) {
    const int row = static_cast<int>(threadIdx.x) / 16 * kTall,
              column = static_cast<int>(threadIdx.x) % 16 * kWide;
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      T x[kTall], y[kWide];
#pragma unroll
      for (int i = 0; i < kTall; ++i) x[i] = a[k * (kRows + kPad) + row + i];
#pragma unroll
      for (int j = 0; j < kWide; ++j) y[j] = b[k * (kColumns + kPad) + column + j];
#pragma unroll
      for (int i = 0; i < kTall; ++i)
#pragma unroll
        for (int j = 0; j < kWide; ++j) sums[i][j] += x[i] * y[j];
    }
  }

  template <typename Store>
  __device__ void finish(Shared*, int first_row, int first_column, const GemmSizes& sizes, const Store& store,
                         int part) {
    const int row = first_row + static_cast<int>(threadIdx.x) / 16 * kTall;
    const int column = first_column + static_cast<int>(threadIdx.x) % 16 * kWide;
    for (int i = 0; i < kTall; ++i)
      for (int j = 0; j < kWide; ++j)
        if (row + i < sizes.rows && column + j < sizes.columns) store(row + i, column + j, sums[i][j], part);
  }
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
// These cards' matrix units lack bf16 and tf32; the backend does not launch this there.
struct Tf32;
struct Bf16;
struct Fp16;
template <typename Type>
struct MatrixMath : PlainMath<float, 128, 64> {};
#else

/// What the matrix units take, and how a float becomes it.
struct Tf32 {
  using Shared = float;
  using Fragment = nvcuda::wmma::precision::tf32;
  static constexpr int kStep = 8;
  __device__ static float convert(float x) { return nvcuda::wmma::__float_to_tf32(x); }
};
struct Bf16 {
  using Shared = __nv_bfloat16;
  using Fragment = __nv_bfloat16;
  static constexpr int kStep = 16;
  __device__ static __nv_bfloat16 convert(float x) { return __float2bfloat16_rn(x); }
};
struct Fp16 {
  using Shared = __half;
  using Fragment = __half;
  static constexpr int kStep = 16;
  __device__ static __half convert(float x) { return __float2half_rn(x); }
};

/// Multiplies on the matrix units, with f32 sums: eight warps, each with 32 by 32 elements of a tile of 128
/// by 64.
template <typename Type>
struct MatrixMath {
  using Value = float;
  using Shared = typename Type::Shared;
  static constexpr int kTileRows = 128, kTileColumns = 64, kDepth = 32, kPad = 16 / sizeof(Shared);
  using Sums = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, Type::kStep, float>;

  Sums sums[2][2];

  __device__ MatrixMath() {
    for (auto& row : sums)
      for (auto& tile : row) nvcuda::wmma::fill_fragment(tile, 0.0f);
  }

  __device__ static Shared convert(float value) { return Type::convert(value); }
  __device__ static int warp_row() { return static_cast<int>(threadIdx.x) / 32 / 2 * 32; }
  __device__ static int warp_column() { return static_cast<int>(threadIdx.x) / 32 % 2 * 32; }

  __device__ void multiply(const Shared* a, const Shared* b) {
    using namespace nvcuda::wmma;
    constexpr int kStrideA = kTileRows + kPad, kStrideB = kTileColumns + kPad;
    for (int k = 0; k < kDepth; k += Type::kStep) {
      fragment<matrix_a, 16, 16, Type::kStep, typename Type::Fragment, col_major> x[2];
      fragment<matrix_b, 16, 16, Type::kStep, typename Type::Fragment, row_major> y[2];
      for (int i = 0; i < 2; ++i) load_matrix_sync(x[i], a + k * kStrideA + warp_row() + 16 * i, kStrideA);
      for (int j = 0; j < 2; ++j) load_matrix_sync(y[j], b + k * kStrideB + warp_column() + 16 * j, kStrideB);
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) mma_sync(sums[i][j], x[i], y[j], sums[i][j]);
    }
  }

  // By way of shared memory, since nobody knows which lane has which element of a fragment.
  template <typename Store>
  __device__ void finish(Shared* room, int first_row, int first_column, const GemmSizes& sizes,
                         const Store& store, int part) {
    static_assert(kDepth * (kTileRows + kTileColumns) * sizeof(Shared) >=
                  kThreads / 32 * 256 * sizeof(float));
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float* tile = reinterpret_cast<float*>(room) + threadIdx.x / 32 * 256;
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j) {
        nvcuda::wmma::store_matrix_sync(tile, sums[i][j], 16, nvcuda::wmma::mem_row_major);
        __syncwarp();
        for (int e = lane; e < 256; e += 32) {
          const int row = first_row + warp_row() + 16 * i + e / 16;
          const int column = first_column + warp_column() + 16 * j + e % 16;
          if (row < sizes.rows && column < sizes.columns) store(row, column, tile[e], part);
        }
        __syncwarp();
      }
  }
};
#endif

template <typename Math, typename A, typename B, typename Store>
__global__ void __launch_bounds__(kThreads) multiply_tiles(GemmSizes sizes, A a, B b, Store store) {
  using Shared = typename Math::Shared;
  using Value = typename Math::Value;
  constexpr int kDepth = Math::kDepth, kStrideA = Math::kTileRows + Math::kPad,
                kStrideB = Math::kTileColumns + Math::kPad;
  __shared__ __align__(32) Shared tiles[kDepth * (kStrideA + kStrideB)];

  const int first_row = static_cast<int>(blockIdx.x) * Math::kTileRows;
  const int first_column = static_cast<int>(blockIdx.y) * Math::kTileColumns;
  const int group = static_cast<int>(blockIdx.z) / sizes.parts,
            part = static_cast<int>(blockIdx.z) % sizes.parts;
  const int begin = static_cast<int>(static_cast<std::int64_t>(sizes.inner) * part / sizes.parts);
  const int end = static_cast<int>(static_cast<std::int64_t>(sizes.inner) * (part + 1) / sizes.parts);
  a.select(group), b.select(group), store.select(group);

  TileLoader<Value, A, Math::kTileRows, kDepth> load_a(a, first_row, sizes.rows);
  TileLoader<Value, B, Math::kTileColumns, kDepth> load_b(b, first_column, sizes.columns);
  Shared *tile_a = tiles, *tile_b = tiles + kDepth * kStrideA;
  const auto convert = [](Value value) { return Math::convert(value); };
  Math math;
  load_a.fetch(begin, end), load_b.fetch(begin, end);
  for (int k = begin; k < end; k += kDepth) {
    load_a.put(tile_a, kStrideA, convert), load_b.put(tile_b, kStrideB, convert);
    __syncthreads();
    if (k + kDepth < end) load_a.fetch(k + kDepth, end), load_b.fetch(k + kDepth, end);
    math.multiply(tile_a, tile_b);
    __syncthreads();
  }
  math.finish(tiles, first_row, first_column, sizes, store, part);
}

// Launching -------------------------------------------------------------------------------------------------

template <typename Math, typename A, typename B, typename Store>
void launch_tiles(Context& context, const GemmSizes& sizes, const A& a, const B& b, const Store& store) {
  const dim3 grid(static_cast<unsigned>(divide_up(sizes.rows, Math::kTileRows)),
                  static_cast<unsigned>(divide_up(sizes.columns, Math::kTileColumns)),
                  static_cast<unsigned>(sizes.groups * sizes.parts));
  launch(context, multiply_tiles<Math, A, B, Store>, grid, kThreads, 0, sizes, a, b, store);
}

/// In how many parts k should be cut so that all multiprocessors have work; each part has at least `least` of
/// k.
inline int gemm_parts(const Context& context, const GemmSizes& sizes, int least) {
  const std::int64_t tiles = divide_up(sizes.rows, 64) * divide_up(sizes.columns, 64) * sizes.groups;
  const std::int64_t wanted = divide_up(2LL * context.multiprocessors, tiles);
  return static_cast<int>(
      std::clamp<std::int64_t>(sizes.inner / least, 1, std::min<std::int64_t>(wanted, 256)));
}

/// With the precision of the context; f64 always on the ordinary units. Nothing happens where c has no
/// elements; where k has none, c is 0.
template <typename T, typename A, typename B, typename Store>
void multiply(Context& context, const GemmSizes& sizes, const A& a, const B& b, const Store& store) {
  if (sizes.rows == 0 || sizes.columns == 0 || sizes.groups == 0) return;
  if constexpr (std::is_same_v<T, double>) {
    launch_tiles<PlainMath<double, 64, 64>>(context, sizes, a, b, store);
  } else {
    switch (context.precision) {
      case Precision::tf32:
        return launch_tiles<MatrixMath<Tf32>>(context, sizes, a, b, store);
      case Precision::bf16:
        return launch_tiles<MatrixMath<Bf16>>(context, sizes, a, b, store);
      case Precision::fp16:
        return launch_tiles<MatrixMath<Fp16>>(context, sizes, a, b, store);
      case Precision::fp32:
        break;
    }
    const std::int64_t large_tiles =
        divide_up(sizes.rows, 128) * divide_up(sizes.columns, 128) * sizes.groups * sizes.parts;
    if (sizes.columns > 64 && large_tiles >= 2LL * context.multiprocessors)
      launch_tiles<PlainMath<float, 128, 128>>(context, sizes, a, b, store);
    else
      launch_tiles<PlainMath<float, 64, 64>>(context, sizes, a, b, store);
  }
}

// Operands and results in memory ----------------------------------------------------------------------------

/// Element (o, i) at data[o * outer_stride + i * inner_stride], one of which is 1.
template <typename T, bool kInnerIsDense>
struct Matrix {
  static constexpr bool kAlongK = kInnerIsDense, kNear = false;
  using Outer = const T*;
  const T* data;
  std::int64_t stride;  // of the index whose neighbours are not neighbours in memory
  std::int64_t group_stride = 0;

  __device__ void select(int group) { data += group * group_stride; }
  __device__ const T* outer(int o) const { return data + (kInnerIsDense ? o * stride : o); }
  __device__ std::int64_t inner(int k) const { return kInnerIsDense ? k : k * stride; }
  __device__ T load(const T* outer, std::int64_t inner) const { return outer[inner]; }
  __device__ const T* find(const T* outer, std::int64_t inner) const { return outer + inner; }
};

}  // namespace tapeline::cuda
