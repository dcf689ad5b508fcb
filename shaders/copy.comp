#version 450
#extension GL_GOOGLE_include_directive : require

// One element an invocation. Elements narrower than a word are set by atomic operations on the word that holds
// them, since their neighbours may be another invocation's.

#include "grid.glsl"

layout(constant_id = 1) const uint kBytes = 4;  // of an element
layout(constant_id = 2) const uint kRank = 1;
layout(constant_id = 3) const bool kAccumulate = false;
layout(binding = 0) readonly buffer Input { uint x[]; };
layout(binding = 1) buffer Output { uint y[]; };
layout(push_constant) uniform Push {
  uint count;
  int from_start, to_start;
  uint extents[6];
  int from_strides[6], to_strides[6];
};

void main() {
  uint rest = invocation();
  if (rest >= count) return;
  int from = from_start, to = to_start;
  for (uint axis = kRank; axis-- > 0u;) {
    const int index = int(rest % extents[axis]);
    rest /= extents[axis];
    from += index * from_strides[axis];
    to += index * to_strides[axis];
  }
  if (kBytes == 8u) {
    y[2 * to] = x[2 * from];
    y[2 * to + 1] = x[2 * from + 1];
  } else if (kBytes == 4u) {
    y[to] = kAccumulate ? floatBitsToUint(uintBitsToFloat(y[to]) + uintBitsToFloat(x[from])) : x[from];
  } else {
    const uint each = 4u / kBytes, bits = 8u * kBytes, mask = (1u << bits) - 1u;
    const uint value = (x[uint(from) / each] >> (bits * (uint(from) % each))) & mask;
    const uint word = uint(to) / each, shift = bits * (uint(to) % each);
    atomicAnd(y[word], ~(mask << shift));
    atomicOr(y[word], value << shift);
  }
}
