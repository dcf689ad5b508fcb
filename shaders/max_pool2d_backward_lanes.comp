#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// As max_pool2d_backward.comp where channels come in fours, for drivers on the processor. Strides are constants,
// since a division by anything else is done lane by lane there.

#include "grid.glsl"

layout(constant_id = 1) const int kStrideH = 1;
layout(constant_id = 2) const int kStrideW = 1;
layout(binding = 0) uniform samplerBuffer dy;
layout(binding = 1) readonly buffer Choice { uint choices[]; };
layout(binding = 2) writeonly buffer GradInput { vec4 dx[]; };
layout(push_constant) uniform Push {
  uint count;  // inputs
  uint in_height, in_width, channels, out_height, out_width;
  int window_height, window_width, stride_h, stride_w, pad_top, pad_left;
};

void main() {
  const uint four = invocation(), fours = channels / 4u;
  if (four * 4u >= count) return;
  const uint c = four % fours, pixel = four / fours;
  const int column = int(pixel % in_width), row = int(pixel / in_width % in_height);
  const uint n = pixel / (in_width * in_height);
  vec4 sum = vec4(0.0);
  for (int i = window_height - 1; i >= 0; --i)
    for (int j = window_width - 1; j >= 0; --j) {
      const int v = row + pad_top - i, u = column + pad_left - j;
      const bool there = v >= 0 && u >= 0 && v % kStrideH == 0 && u % kStrideW == 0 &&
                         v / kStrideH < int(out_height) && u / kStrideW < int(out_width);
      const uint from = there ? ((n * out_height + v / kStrideH) * out_width + u / kStrideW) * fours + c : c;
      const vec4 loaded = texelFetch(dy, int(from));
      const uint chosen = choices[from];
      [[unroll]] for (uint k = 0u; k < 4u; ++k)
        if (there && ((chosen >> (8u * k)) & 255u) == uint(i * window_width + j)) sum[k] += loaded[k];
    }
  dx[four] = sum;
}
