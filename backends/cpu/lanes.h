#pragma once

// Loops over floats a vector at a time, with what is left at the end as part of a vector. For kernel files
// only.

#include <algorithm>
#include <cstdint>

#include "backends/cpu/kernels.h"
#include "backends/cpu/simd.h"

namespace tapeline::cpu::TAPELINE_ISA {

/// In place of a number of lanes: all of them.
struct AllLanes {};
TAPELINE_INLINE Vec load(const float* from, AllLanes) { return load(from); }
TAPELINE_INLINE void store(float* to, Vec a, AllLanes) { store(to, a); }

/// The lanes that are not there are `rest`.
TAPELINE_INLINE Vec load(const float* from, AllLanes, float) { return load(from); }
TAPELINE_INLINE Vec load(const float* from, int count, float rest) {
  Ints lane;
  for (int i = 0; i < kWidth; ++i) lane[i] = i;
  return select({lane < count}, load(from, count), rest);
}

/// Calls body(i, lanes) for each vector that begins at element i, where lanes is AllLanes or the number of
/// lanes left.
template <typename Body>
TAPELINE_INLINE void for_vectors(std::int64_t begin, std::int64_t end, Body body) {
  for (; begin + kWidth <= end; begin += kWidth) body(begin, AllLanes{});
  if (begin < end) body(begin, static_cast<int>(end - begin));
}

/// Floats that make a task for a thread.
inline constexpr std::int64_t kTaskFloats = 1 << 15;

/// The same, split among threads.
template <typename Body>
TAPELINE_INLINE void parallel_for_vectors(Context& context, std::int64_t count, Body body) {
  context.pool.parallel_for(count, kTaskFloats,
                            [&](std::int64_t begin, std::int64_t end) { for_vectors(begin, end, body); });
}

/// How many rows of so many floats make a task for a thread.
TAPELINE_INLINE std::int64_t task_rows(std::int64_t floats) {
  return std::max<std::int64_t>(1, kTaskFloats / std::max<std::int64_t>(1, floats));
}

/// lengths[n], an image's own width or number of frames, or all there is where no lengths are given.
TAPELINE_INLINE std::int64_t length_of(const std::int32_t* lengths, std::int64_t n, std::int64_t all) {
  return lengths ? std::clamp<std::int64_t>(lengths[n], 0, all) : all;
}

/// Null for an absent operand.
template <typename T>
TAPELINE_INLINE T* data_or_null(const View& view) {
  return view ? view.data<T>() : nullptr;
}

}  // namespace tapeline::cpu::TAPELINE_ISA
