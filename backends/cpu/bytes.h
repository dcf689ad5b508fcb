#pragma once

// As many bytes as a vector has lanes, to integers and back. By way of 16 bits, which compilers translate
// into one instruction a step. For kernel files only.

#include <cstdint>
#include <cstring>

#include "backends/cpu/simd.h"

namespace tapeline::cpu::TAPELINE_ISA {

using Shorts = std::uint16_t __attribute__((vector_size(kWidth * 2)));
using Bytes = std::uint8_t __attribute__((vector_size(kWidth)));

TAPELINE_INLINE Ints to_ints(Bytes bytes) {
  return __builtin_convertvector(__builtin_convertvector(bytes, Shorts), Ints);
}
/// The lowest byte of each lane.
TAPELINE_INLINE Bytes to_bytes(Ints values) {
  return __builtin_convertvector(__builtin_convertvector(values, Shorts), Bytes);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
