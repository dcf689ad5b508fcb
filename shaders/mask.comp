#version 450
#extension GL_GOOGLE_include_directive : require

#include "grid.glsl"

layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Widths { int widths[]; };
layout(binding = 2) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint count;
  uint height, width, channels;
};

void main() {
  const uint i = invocation();
  if (i >= count) return;
  const uint pixel = i / channels;
  const int column = int(pixel % width);
  y[i] = column < widths[pixel / (width * height)] ? x[i] : 0.0;
}
