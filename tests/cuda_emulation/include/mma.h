#pragma once

// Stands in for the toolkit's header: matrix fragments of a warp. Here each lane keeps whole tiles and does
// what its lane number tells of the arithmetic: elements number, number + 32, ... of the tile, so that what
// lies where in a real fragment is not imitated, and code that counts on it finds nothing. Products are of
// rounded operands, sums in float.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
namespace precision {
struct tf32;
}
enum layout_t { mem_row_major, mem_col_major };

namespace emulated {

inline float widen(float x) { return x; }
inline float widen(__half x) { return __half2float(x); }
inline float widen(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename Use, int M, int N, int K>
struct Extents;
template <int M, int N, int K>
struct Extents<matrix_a, M, N, K> {
  static constexpr int rows = M, columns = K;
};
template <int M, int N, int K>
struct Extents<matrix_b, M, N, K> {
  static constexpr int rows = K, columns = N;
};
template <int M, int N, int K>
struct Extents<accumulator, M, N, K> {
  static constexpr int rows = M, columns = N;
};

}  // namespace emulated

/// 10 bits of mantissa: to nearest, ties away from zero, as cvt.rna.tf32.f32 does.
inline float __float_to_tf32(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7F800000u) == 0x7F800000u) return x;
  return __uint_as_float((bits + 0x1000u) & ~0x1FFFu);
}

template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
  using Size = emulated::Extents<Use, M, N, K>;
  static constexpr int num_elements = Size::rows * Size::columns;
  float x[num_elements];  // row-major
};

template <typename Use, int M, int N, int K, typename T, typename Layout>
void fill_fragment(fragment<Use, M, N, K, T, Layout>& f, float value) {
  for (float& x : f.x) x = value;
}

template <typename Use, int M, int N, int K, typename T, typename Layout, typename Memory>
void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const Memory* from, unsigned stride,
                      CudaEmulationWhere where = CudaEmulationWhere::current()) {
  cuda_emulation::warp_exchange(~0u, 0, "load_matrix_sync", where);
  using Size = typename fragment<Use, M, N, K, T, Layout>::Size;
  constexpr bool by_rows = std::is_same_v<Layout, row_major>;
  for (int r = 0; r < Size::rows; ++r)
    for (int c = 0; c < Size::columns; ++c)
      f.x[r * Size::columns + c] = emulated::widen(from[by_rows ? static_cast<std::size_t>(r) * stride + c
                                                                : static_cast<std::size_t>(c) * stride + r]);
}

template <int M, int N, int K, typename A, typename LayoutA, typename B, typename LayoutB>
void mma_sync(fragment<accumulator, M, N, K, float>& d, const fragment<matrix_a, M, N, K, A, LayoutA>& a,
              const fragment<matrix_b, M, N, K, B, LayoutB>& b,
              const fragment<accumulator, M, N, K, float>& c,
              CudaEmulationWhere where = CudaEmulationWhere::current()) {
  cuda_emulation::warp_exchange(~0u, 0, "mma_sync", where);
  for (int e = static_cast<int>(cuda_emulation::lane()); e < M * N; e += 32) {
    float sum = c.x[e];
    for (int k = 0; k < K; ++k) sum += a.x[e / N * K + k] * b.x[k * N + e % N];
    d.x[e] = sum;
  }
}

template <int M, int N, int K>
void store_matrix_sync(float* to, const fragment<accumulator, M, N, K, float>& f, unsigned stride,
                       layout_t layout, CudaEmulationWhere where = CudaEmulationWhere::current()) {
  for (int e = static_cast<int>(cuda_emulation::lane()); e < M * N; e += 32)
    to[layout == mem_row_major ? static_cast<std::size_t>(e / N) * stride + e % N
                               : static_cast<std::size_t>(e % N) * stride + e / N] = f.x[e];
  cuda_emulation::warp_exchange(~0u, 0, "store_matrix_sync", where);
}

}  // namespace nvcuda::wmma
