#version 450
#extension GL_GOOGLE_include_directive : require

#include "activation.glsl"
#include "grid.glsl"

layout(constant_id = 1) const uint kKind = 0;
layout(binding = 0) readonly buffer Output { float y[]; };
layout(binding = 1) readonly buffer GradOutput { float dy[]; };
layout(binding = 2) writeonly buffer GradInput { float dx[]; };
layout(push_constant) uniform Push {
  uint count;
  float slope;
};

void main() {
  const uint i = invocation();
  if (i < count) dx[i] = dy[i] * activation_slope(kKind, slope, y[i]);
}
