#version 450
#extension GL_GOOGLE_include_directive : require

// One row an invocation.

#include "grid.glsl"
#include "math.glsl"

layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push { uint rows, classes; };

void main() {
  const uint row = invocation();
  if (row >= rows) return;
  const uint begin = row * classes;
  float largest = -kInfinity;
  for (uint c = 0u; c < classes; ++c) largest = max(largest, x[begin + c]);
  float sum = 0.0;
  for (uint c = 0u; c < classes; ++c) sum += exp_of(x[begin + c] - largest);
  const float rest = log_of(sum);
  for (uint c = 0u; c < classes; ++c) y[begin + c] = (x[begin + c] - largest) - rest;
}
