#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// Transposes matrices, four by four elements an invocation, for drivers on the processor.

#include "grid.glsl"

layout(binding = 0) uniform samplerBuffer x;
layout(binding = 1) writeonly buffer Output { vec4 y[]; };
layout(push_constant) uniform Push { uint count, rows, columns; };  // both sides in fours

void main() {
  const uint block = invocation();
  if (block >= count * rows * columns) return;
  const uint row = block % rows, column = block / rows % columns, matrix = block / (rows * columns);
  vec4 from[4];
  [[unroll]] for (uint r = 0u; r < 4u; ++r)
    from[r] = texelFetch(x, int((matrix * rows * 4u + row * 4u + r) * columns + column));
  [[unroll]] for (uint c = 0u; c < 4u; ++c)
    y[(matrix * columns * 4u + column * 4u + c) * rows + row] = vec4(from[0][c], from[1][c], from[2][c], from[3][c]);
}
