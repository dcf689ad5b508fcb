#version 450
#extension GL_GOOGLE_include_directive : require

// One element of the gradient and one slab of the output's positions an invocation; the slabs are added up by
// another dispatch. After the weights come the biases, one for each output channel, as if they were weights of
// an input that is 1.

#include "conv2d.glsl"
#include "grid.glsl"

layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer GradOutput { float dy[]; };
layout(binding = 2) writeonly buffer Partial { float partial[]; };  // [slabs, weights and biases]

void main() {
  const uint channels = in_channels / groups;
  const uint weights = uint(window_height * window_width) * channels * out_channels;
  const uint all = weights + out_channels, element = invocation();
  if (element >= all * slabs) return;
  const uint w = element % all, o = w % out_channels;
  const uint positions = batch * out_height * out_width;
  const uint begin = element / all * slab, end = min(begin + slab, positions);
  float sum = 0.0;
  if (w >= weights) {
    for (uint p = begin; p < end; ++p) sum += dy[p * out_channels + o];
  } else {
    const uint rest = w / out_channels, c = rest % channels + o / (out_channels / groups) * channels;
    const int j = int(rest / channels) % window_width, i = int(rest / channels) / window_width;
    for (uint p = begin; p < end; ++p) {
      const int u = int(p % out_width) * stride_w - pad_left + j * dilation_w;
      const int v = int(p / out_width % out_height) * stride_h - pad_top + i * dilation_h;
      if (v < 0 || v >= int(in_height) || u < 0 || u >= int(in_width)) continue;
      const uint n = p / (out_width * out_height);
      sum = fma(x[((n * in_height + v) * in_width + u) * in_channels + c], dy[p * out_channels + o], sum);
    }
  }
  partial[element] = sum;
}
