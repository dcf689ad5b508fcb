#version 450
#extension GL_GOOGLE_include_directive : require

// The sum of the squares of one slab of one gradient.

#include "exact_sum.glsl"
#include "grid.glsl"

layout(binding = 0) readonly buffer Gradient { float gradient[]; };
layout(binding = 1) writeonly buffer Partial { vec2 partial[]; };  // of all gradients
layout(push_constant) uniform Push {
  uint count;
  uint slab, slabs;
  uint first;  // where this gradient's begin
};

void main() {
  const uint s = invocation();
  if (s >= slabs) return;
  vec2 total = vec2(0.0);
  for (uint i = s * slab; i < min((s + 1u) * slab, count); ++i) total = add_exactly(total, gradient[i] * gradient[i]);
  partial[first + s] = total;
}
