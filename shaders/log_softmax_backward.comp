#version 450
#extension GL_GOOGLE_include_directive : require

// One row an invocation.

#include "exact_sum.glsl"
#include "grid.glsl"
#include "math.glsl"

layout(binding = 0) readonly buffer Output { float y[]; };
layout(binding = 1) readonly buffer GradOutput { float dy[]; };
layout(binding = 2) writeonly buffer GradInput { float dx[]; };
layout(push_constant) uniform Push { uint rows, classes; };

void main() {
  const uint row = invocation();
  if (row >= rows) return;
  const uint begin = row * classes;
  vec2 total = vec2(0.0);
  for (uint c = 0u; c < classes; ++c) total = add_exactly(total, dy[begin + c]);
  const float sum = rounded(total);
  for (uint c = 0u; c < classes; ++c) dx[begin + c] = fma(-exp_of(y[begin + c]), sum, dy[begin + c]);
}
