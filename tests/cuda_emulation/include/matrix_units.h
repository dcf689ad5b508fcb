#pragma once

// What backends/cuda/matrix_units.h has instead of PTX: the instructions ldmatrix and mma.m16n8k16 with each
// element in the lane and register where the PTX manual puts it.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace cuda_emulation {

inline void load_matrices(unsigned (&to)[4], const void* row, bool turned, Where where = Where::current()) {
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
    throw Mistake("ldmatrix: a row is not aligned to 16 bytes");
  const LaneValues rows = warp_exchange(~0u, reinterpret_cast<std::uintptr_t>(row), "ldmatrix", where);
  const unsigned own = lane(), r = own / 4, p = own % 4 * 2;
  for (unsigned matrix = 0; matrix < 4; ++matrix) {
    const auto element = [&](unsigned i, unsigned j) {
      return unsigned{reinterpret_cast<const std::uint16_t*>(rows.bits[8 * matrix + i])[j]};
    };
    to[matrix] = turned ? element(p, r) | element(p + 1, r) << 16 : element(r, p) | element(r, p + 1) << 16;
  }
  warp_exchange(~0u, 0, "ldmatrix", where);  // all have read
}

template <typename Half>
float widen(std::uint64_t bits) {
  if constexpr (std::is_same_v<Half, __half>)
    return __half2float({static_cast<std::uint16_t>(bits)});
  else
    return __bfloat162float({static_cast<std::uint16_t>(bits)});
}

template <typename Half>
void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                  Where where = Where::current()) {
  const auto pair = [](unsigned low, unsigned high) { return low | std::uint64_t{high} << 32; };
  const LaneValues first = warp_exchange(~0u, pair(a[0], a[1]), "mma", where),
                   second = warp_exchange(~0u, pair(a[2], a[3]), "mma", where),
                   right = warp_exchange(~0u, pair(b0, b1), "mma", where);
  // Element (i, k) of a is in lane i % 8 * 4 + k % 8 / 2, element (k, j) of b in lane j * 4 + k % 8 / 2.
  const unsigned r = lane() / 4, p = lane() % 4 * 2;
  for (unsigned e = 0; e < 4; ++e) {
    const unsigned i = r + e / 2 * 8, j = p + e % 2;
    float sum = c[e];
    for (unsigned k = 0; k < 16; ++k) {
      const std::uint64_t x =
          (k < 8 ? first : second).bits[i % 8 * 4 + k % 8 / 2] >> (i / 8 * 32 + k % 2 * 16);
      const std::uint64_t y = right.bits[j * 4 + k % 8 / 2] >> (k / 8 * 32 + k % 2 * 16);
      sum += widen<Half>(x) * widen<Half>(y);
    }
    c[e] = sum;
  }
}

}  // namespace cuda_emulation
