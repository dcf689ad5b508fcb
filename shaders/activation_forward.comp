#version 450
#extension GL_GOOGLE_include_directive : require

#include "activation.glsl"
#include "grid.glsl"

layout(constant_id = 1) const uint kKind = 0;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint count;
  float slope;
};

void main() {
  const uint i = invocation();
  if (i < count) y[i] = activate(kKind, slope, x[i]);
}
