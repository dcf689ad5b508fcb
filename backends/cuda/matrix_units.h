#pragma once

// What the matrix units of compute capability 8.0 and later do with 16-bit factors, and copies that bring
// memory into shared memory while a thread goes on: the PTX instructions of these names, which no function of
// CUDA's headers leads to for all types. Nothing here is called on older cards.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <type_traits>

#ifndef __CUDACC__
#include <matrix_units.h>  // of tests/cuda_emulation
#endif

namespace tapeline::cuda {

#if defined(__CUDACC__) && (!defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800)
#define TAPELINE_PTX(...) asm volatile(__VA_ARGS__)
#elif defined(__CUDACC__)
#define TAPELINE_PTX(...)
#endif

/// Four matrices of 8 by 8 elements from shared memory. Lane l names the row l % 8 of matrix l / 8 (16 bytes,
/// aligned so), and gets of each matrix the elements 2 (l % 4) and the next of row l / 4. By all lanes of a
/// warp.
__device__ inline void load_matrices(unsigned (&to)[4], const void* row) {
#ifdef __CUDACC__
  TAPELINE_PTX("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
#else
  cuda_emulation::load_matrices(to, row, false);
#endif
}

/// The same of the transposed matrices: the elements 2 (l % 4) and the next of column l / 4.
__device__ inline void load_matrices_turned(unsigned (&to)[4], const void* row) {
#ifdef __CUDACC__
  TAPELINE_PTX("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
#else
  cuda_emulation::load_matrices(to, row, true);
#endif
}

/// c += a b, 16 by 8 = 16 by 16 times 16 by 8, with sums in f32. With r = lane / 4 and p = 2 (lane % 4), a
/// lane has of c: (r, p), (r, p + 1), (r + 8, p), (r + 8, p + 1); of a, in pairs along k: (r, p), (r + 8, p),
/// (r, p + 8), (r + 8, p + 8); of b, in pairs along k: (p, r), (p + 8, r).
template <typename Half>
__device__ void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#ifdef __CUDACC__
  if constexpr (std::is_same_v<Half, __nv_bfloat16>)
    TAPELINE_PTX(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    TAPELINE_PTX(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  cuda_emulation::multiply_add<Half>(c, a, b0, b1);
#endif
}

/// 16 bytes from device memory into shared memory, both aligned so, or 16 bytes of 0 where they are not
/// `there`. They have arrived after wait_for_copies(), for other threads after a barrier behind it. kNear:
/// keep them in the first-level cache, because neighbours will want them.
template <bool kNear>
__device__ void copy_async(void* shared, const void* from, bool there) {
#ifdef __CUDACC__
  [[maybe_unused]] const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  [[maybe_unused]] const int bytes = there ? 16 : 0;
  if constexpr (kNear)
    TAPELINE_PTX("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(to),
                 "l"(__cvta_generic_to_global(from)), "r"(bytes)
                 : "memory");
  else
    TAPELINE_PTX("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to),
                 "l"(__cvta_generic_to_global(from)), "r"(bytes)
                 : "memory");
#else
  cuda_emulation::copy_async(shared, there ? from : nullptr);
#endif
}

/// Ends a group of this thread's copies; a group may be empty.
__device__ inline void end_copies() {
#ifdef __CUDACC__
  TAPELINE_PTX("cp.async.commit_group;" ::: "memory");
#else
  cuda_emulation::end_copies();
#endif
}

/// Waits for all groups of this thread's copies but the newest `kLeft`.
template <int kLeft>
__device__ void wait_for_copies() {
#ifdef __CUDACC__
  TAPELINE_PTX("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#else
  cuda_emulation::wait_for_copies(kLeft);
#endif
}

#undef TAPELINE_PTX

}  // namespace tapeline::cuda
