#version 450
#extension GL_GOOGLE_include_directive : require

// One element of the gradient an invocation: it gathers from every output that its pixel took part in.

#include "conv2d.glsl"
#include "grid.glsl"

layout(binding = 0) readonly buffer GradOutput { float dy[]; };
layout(binding = 1) readonly buffer Weight { float weight[]; };
layout(binding = 2) writeonly buffer GradInput { float dx[]; };

void main() {
  const uint element = invocation();
  if (element >= batch * in_height * in_width * in_channels) return;
  const uint c = element % in_channels, pixel = element / in_channels;
  const int column = int(pixel % in_width), row = int(pixel / in_width % in_height);
  const uint n = pixel / (in_width * in_height);
  const uint channels = in_channels / groups, outputs = out_channels / groups, first = c / channels * outputs;
  float sum = 0.0;
  for (int i = 0; i < window_height; ++i)
    for (int j = 0; j < window_width; ++j) {
      const int v = row + pad_top - i * dilation_h, u = column + pad_left - j * dilation_w;
      if (v < 0 || u < 0 || v % stride_h != 0 || u % stride_w != 0) continue;
      if (v / stride_h >= int(out_height) || u / stride_w >= int(out_width)) continue;
      const uint from = ((n * out_height + v / stride_h) * out_width + u / stride_w) * out_channels + first;
      const uint w = (uint(i * window_width + j) * channels + c % channels) * out_channels + first;
      for (uint o = 0u; o < outputs; ++o) sum = fma(dy[from + o], weight[w + o], sum);
    }
  dx[element] = sum;
}
