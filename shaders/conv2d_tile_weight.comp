#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// As conv2d_backward_weight.comp, eight input channels by eight output channels an invocation, in registers;
// output channels come in fours. One input channel an invocation where those do not. The last rows are the
// biases', whose input is 1.

#include "conv2d.glsl"
#include "grid.glsl"

layout(constant_id = 1) const bool kFours = false;  // input channels come in fours
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 0) readonly buffer InputFours { vec4 x4[]; };
layout(binding = 1) readonly buffer GradOutput { vec4 dy[]; };
layout(binding = 2) writeonly buffer Partial { vec4 partial[]; };  // [slabs, window * C + 1, O] in fours

void main() {
  const uint fours = out_channels / 4u, blocks = (fours + 1u) / 2u;
  const uint row_blocks = kFours ? (in_channels + 7u) / 8u : in_channels;
  const uint rows = uint(window_height * window_width) * row_blocks + 1u;
  const uint row = invocation() / blocks % rows, s = invocation() / (blocks * rows);
  if (s >= slabs) return;
  const uint left = invocation() % blocks * 2u, right = min(left + 1u, fours - 1u);
  const bool of_bias = row == rows - 1u;
  const uint c = row % row_blocks * (kFours ? 8u : 1u);
  const uint low = c / 4u, high = min(low + 1u, in_channels / 4u - 1u);
  const int j = int(row / row_blocks) % window_width, i = int(row / row_blocks) / window_width;

  vec4 sum_left[8], sum_right[8];
  [[unroll]] for (uint k = 0u; k < 8u; ++k) sum_left[k] = sum_right[k] = vec4(0.0);
  const uint end = min((s + 1u) * slab, batch * out_height * out_width);
  for (uint p = s * slab; p < end; ++p) {
    const int u = int(p % out_width) * stride_w - pad_left + j * dilation_w;
    const int v = int(p / out_width % out_height) * stride_h - pad_top + i * dilation_h;
    const bool there = v >= 0 && v < int(in_height) && u >= 0 && u < int(in_width);
    if (!there && !of_bias) continue;
    const vec4 g_left = dy[p * fours + left], g_right = dy[p * fours + right];
    const uint pixel = there ? (p / (out_width * out_height) * in_height + uint(v)) * in_width + uint(u) : 0u;
    if (of_bias) {
      sum_left[0] += g_left;
      sum_right[0] += g_right;
    } else if (kFours) {
      const vec4 a = x4[pixel * (in_channels / 4u) + low], b = x4[pixel * (in_channels / 4u) + high];
      [[unroll]] for (uint k = 0u; k < 4u; ++k) {
        sum_left[k] = fma(vec4(a[k]), g_left, sum_left[k]);
        sum_right[k] = fma(vec4(a[k]), g_right, sum_right[k]);
        sum_left[k + 4u] = fma(vec4(b[k]), g_left, sum_left[k + 4u]);
        sum_right[k + 4u] = fma(vec4(b[k]), g_right, sum_right[k + 4u]);
      }
    } else {
      const float value = x[pixel * in_channels + c];
      sum_left[0] = fma(vec4(value), g_left, sum_left[0]);
      sum_right[0] = fma(vec4(value), g_right, sum_right[0]);
    }
  }

  const uint weights = uint(window_height * window_width) * in_channels;
  const uint first = of_bias ? weights : row / row_blocks * in_channels + c;
  const uint count = of_bias || !kFours ? 1u : min(8u, in_channels - c);
  for (uint k = 0u; k < count; ++k) {
    const uint to = (s * (weights + 1u) + first + k) * fours;
    partial[to + left] = sum_left[k];
    if (right != left) partial[to + right] = sum_right[k];
  }
}
