#version 450
#extension GL_GOOGLE_include_directive : require

// One element of the output an invocation.

#include "activation.glsl"
#include "conv2d.glsl"
#include "grid.glsl"

layout(constant_id = 1) const uint kActivation = 0;
layout(constant_id = 2) const bool kBias = false;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Weight { float weight[]; };
layout(binding = 2) readonly buffer Bias { float bias[]; };
layout(binding = 3) writeonly buffer Output { float y[]; };

void main() {
  const uint element = invocation();
  if (element >= batch * out_height * out_width * out_channels) return;
  const uint o = element % out_channels, pixel = element / out_channels;
  const int column = int(pixel % out_width), row = int(pixel / out_width % out_height);
  const uint n = pixel / (out_width * out_height);
  const uint channels = in_channels / groups, first = o / (out_channels / groups) * channels;
  float sum = 0.0;
  for (int i = 0; i < window_height; ++i)
    for (int j = 0; j < window_width; ++j) {
      const int v = row * stride_h - pad_top + i * dilation_h, u = column * stride_w - pad_left + j * dilation_w;
      if (v < 0 || v >= int(in_height) || u < 0 || u >= int(in_width)) continue;
      const uint from = ((n * in_height + v) * in_width + u) * in_channels + first;
      const uint w = uint(i * window_width + j) * channels * out_channels + o;
      for (uint c = 0u; c < channels; ++c) sum = fma(x[from + c], weight[w + c * out_channels], sum);
    }
  if (kBias) sum += bias[o];
  y[element] = activate(kActivation, slope, sum);
}
