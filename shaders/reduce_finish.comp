#version 450
#extension GL_GOOGLE_include_directive : require

// Puts the slabs of reduce.comp together, in their order.

#include "exact_sum.glsl"
#include "grid.glsl"
#include "math.glsl"

const uint kSum = 0, kMean = 1, kMaximum = 2;  // as in ReduceKind

layout(constant_id = 1) const uint kKind = 0;
layout(binding = 0) readonly buffer Partial { vec2 partial[]; };  // [slabs, outputs]
layout(binding = 1) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint outputs, terms;
  uint slabs;
};

void main() {
  const uint i = invocation();
  if (i >= outputs) return;
  vec2 total = vec2(kKind == kMaximum ? -kInfinity : 0.0, 0.0);
  for (uint s = 0u; s < slabs; ++s) {
    const vec2 part = partial[s * outputs + i];
    if (kKind != kMaximum)
      total = add_exactly(total, part);
    else if (part.x > total.x || is_nan(part.x))
      total.x = part.x;
  }
  y[i] = kKind == kMaximum ? total.x : kKind == kMean ? rounded(total) / float(terms) : rounded(total);
}
