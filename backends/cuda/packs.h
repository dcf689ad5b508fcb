#pragma once

// Several neighbours at once: one load or store of 16 bytes, and one search for the place, where an element
// alone would take four. Kernels that move memory have two forms, kWide = 4 and kWide = 1 for what does not
// come in aligned fours.

#include <climits>
#include <cstdint>
#include <initializer_list>

#include "backends/cuda/fast_divide.h"

namespace tapeline::cuda {

template <typename T, int kWide>
struct alignas(sizeof(T) * kWide < 16 ? sizeof(T) * kWide : 16) Pack {
  T values[kWide];
};

/// The `i`th pack of an array.
template <int kWide, typename T>
__device__ Pack<T, kWide> load_pack(const T* from, std::int64_t i) {
  return reinterpret_cast<const Pack<T, kWide>*>(from)[i];
}
template <int kWide, typename T>
__device__ void store_pack(T* to, std::int64_t i, const Pack<T, kWide>& pack) {
  reinterpret_cast<Pack<T, kWide>*>(to)[i] = pack;
}

/// Whether rows of `channels` come in fours: no pack lies in two rows, `pointers` (null ones aside) are
/// aligned, and an int counts the packs of `elements`.
inline bool in_fours(std::int64_t elements, std::int64_t channels,
                     std::initializer_list<const void*> pointers) {
  std::uintptr_t bits = 0;
  for (const void* pointer : pointers) bits |= reinterpret_cast<std::uintptr_t>(pointer);
  return bits % 16 == 0 && channels % 4 == 0 && elements % 4 == 0 && elements / 4 <= INT_MAX;
}

/// Calls body<4>() or body<1>().
template <typename Body>
void with_width(bool fours, Body&& body) {
  if (fours)
    body.template operator()<4>();
  else
    body.template operator()<1>();
}

/// Division of a pack's number or a place: fast in fours, when an int counts them.
template <int kWide>
class PackDivide {
 public:
  explicit PackDivide(std::int64_t divisor)
      : divisor_(divisor), fast_(static_cast<int>(divisor < 1 ? 1 : divisor)) {}
  /// The quotient; `index` becomes the remainder.
  __device__ std::int64_t split(std::int64_t& index) const {
    const std::int64_t quotient =
        kWide == 1 ? index / divisor_ : static_cast<std::int64_t>(fast_.quotient(static_cast<int>(index)));
    index -= quotient * divisor_;
    return quotient;
  }

 private:
  std::int64_t divisor_;
  FastDivide fast_;
};

}  // namespace tapeline::cuda
