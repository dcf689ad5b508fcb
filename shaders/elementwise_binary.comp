#version 450
#extension GL_GOOGLE_include_directive : require

#include "grid.glsl"
#include "math.glsl"

const uint kAdd = 0, kSubtract = 1, kMultiply = 2, kDivide = 3, kMaximum = 4, kMinimum = 5;  // as in BinaryKind

layout(constant_id = 1) const uint kKind = 0;
layout(constant_id = 2) const uint kRank = 1;
layout(binding = 0) readonly buffer A { float a[]; };
layout(binding = 1) readonly buffer B { float b[]; };
layout(binding = 2) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint count;
  uint extents[6];
  uint a_strides[6], b_strides[6];  // 0 where an operand is repeated
};

float apply(float p, float q) {
  switch (kKind) {
    case kAdd:
      return p + q;
    case kSubtract:
      return p - q;
    case kMultiply:
      return p * q;
    case kDivide:
      return p / q;
    case kMaximum:
      return p >= q || is_nan(p) ? p : q;
  }
  return p <= q || is_nan(p) ? p : q;
}

void main() {
  const uint i = invocation();
  if (i >= count) return;
  uint rest = i, p = 0u, q = 0u;
  for (uint axis = kRank; axis-- > 0u;) {
    const uint index = rest % extents[axis];
    rest /= extents[axis];
    p += index * a_strides[axis];
    q += index * b_strides[axis];
  }
  y[i] = apply(a[p], b[q]);
}
