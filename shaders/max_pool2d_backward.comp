#version 450
#extension GL_GOOGLE_include_directive : require

// One element of the gradient an invocation: it gathers from every window that chose it.

#include "grid.glsl"

layout(binding = 0) readonly buffer Choice { uint choices[]; };
layout(binding = 1) readonly buffer GradOutput { float dy[]; };
layout(binding = 2) writeonly buffer GradInput { float dx[]; };
layout(push_constant) uniform Push {
  uint count;  // inputs
  uint in_height, in_width, channels, out_height, out_width;
  int window_height, window_width, stride_h, stride_w, pad_top, pad_left;
};

void main() {
  const uint element = invocation();
  if (element >= count) return;
  const uint c = element % channels, pixel = element / channels;
  const int column = int(pixel % in_width), row = int(pixel / in_width % in_height);
  const uint n = pixel / (in_width * in_height);
  float sum = 0.0;
  for (int i = window_height - 1; i >= 0; --i)
    for (int j = window_width - 1; j >= 0; --j) {
      const int v = row + pad_top - i, u = column + pad_left - j;
      if (v < 0 || u < 0 || v % stride_h != 0 || u % stride_w != 0) continue;
      if (v / stride_h >= int(out_height) || u / stride_w >= int(out_width)) continue;
      const uint from = ((n * out_height + v / stride_h) * out_width + u / stride_w) * channels + c;
      if (((choices[from / 4u] >> (8u * (from % 4u))) & 255u) == uint(i * window_width + j)) sum += dy[from];
    }
  dx[element] = sum;
}
