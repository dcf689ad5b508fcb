#version 450
#extension GL_GOOGLE_include_directive : require

// Adds up partial sums [slabs, count] in their order; the first results go to one output, the others to a
// second.

#include "exact_sum.glsl"
#include "grid.glsl"

layout(binding = 0) readonly buffer Partial { float partial[]; };
layout(binding = 1) writeonly buffer First { float first[]; };
layout(binding = 2) writeonly buffer Second { float second[]; };
layout(push_constant) uniform Push {
  uint count, slabs;
  uint first_count, second_count;  // what lies beyond both is left out
};

void main() {
  const uint i = invocation();
  if (i >= first_count + second_count) return;
  vec2 total = vec2(0.0);
  for (uint s = 0u; s < slabs; ++s) total = add_exactly(total, partial[s * count + i]);
  if (i < first_count)
    first[i] = rounded(total);
  else
    second[i - first_count] = rounded(total);
}
