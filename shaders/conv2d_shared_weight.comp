#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// As conv2d_backward_weight.comp, for GPUs: a workgroup of 8 x 8 invocations computes 64 input channels by 64
// output channels of one window element and slab, eight by eight an invocation, and brings eight positions at a
// time to shared memory. The last rows are the biases', whose input is 1.

#include "factors.glsl"

#include "conv2d.glsl"
#include "grid.glsl"

layout(constant_id = 1) const bool kInFours = false;
layout(constant_id = 2) const bool kOutFours = false;
layout(constant_id = 3) const bool kDirect = false;  // one slab, written to where it belongs
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 0) readonly buffer InputFours { vec4 x_fours[]; };
layout(binding = 1) readonly buffer GradOutput { float dy[]; };
layout(binding = 1) readonly buffer GradOutputFours { vec4 dy_fours[]; };
layout(binding = 2) writeonly buffer Partial { float partial[]; };  // [slabs, window * C + 1, O]
layout(binding = 3) writeonly buffer Bias { float bias[]; };

const uint kThreads = 64u, kSide = 16u, kDeep = 8u;  // the side of a tile in fours
shared Factors a[kDeep * kSide], b[kDeep * kSide];

vec4 input_of(uint pixel, uint c) {
  if (kInFours) return c < in_channels ? x_fours[(pixel * in_pitch + c) / 4u] : vec4(0.0);
  vec4 loaded = vec4(0.0);
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    if (c + k < in_channels) loaded[k] = x[pixel * in_pitch + c + k];
  return loaded;
}

vec4 grad_of(uint position, uint o) {
  if (kOutFours) return o < out_channels ? dy_fours[(position * out_pitch + o) / 4u] : vec4(0.0);
  vec4 loaded = vec4(0.0);
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    if (o + k < out_channels) loaded[k] = dy[position * out_pitch + o + k];
  return loaded;
}

void main() {
  const uint blocks = (out_channels + kSide * 4u - 1u) / (kSide * 4u);
  const uint row_blocks = (in_channels + kSide * 4u - 1u) / (kSide * 4u);
  const uint rows = uint(window_height * window_width) * row_blocks + 1u;
  const uint row = group() / blocks % rows, s = group() / (blocks * rows);
  if (s >= slabs) return;
  const bool of_bias = row == rows - 1u;
  const uint c = of_bias ? 0u : row % row_blocks * kSide * 4u, left = group() % blocks * kSide * 4u;
  const int j = int(row / row_blocks) % window_width, i = int(row / row_blocks) / window_width;
  const uint tx = lane() % 8u, ty = lane() / 8u;
  vec4 sum[16];
  [[unroll]] for (uint k = 0u; k < 16u; ++k) sum[k] = vec4(0.0);

  const uint end = min((s + 1u) * slab, batch * out_height * out_width);
  for (uint p = s * slab; p < end; p += kDeep) {
    barrier();
    [[unroll]] for (uint e = 0u; e < kDeep * kSide; e += kThreads) {
      const uint k = (lane() + e) / kSide, four = (lane() + e) % kSide, position = p + k;
      const int u = int(position % out_width) * stride_w - pad_left + j * dilation_w;
      const int v = int(position / out_width % out_height) * stride_h - pad_top + i * dilation_h;
      const bool there = position < end && v >= 0 && v < int(in_height) && u >= 0 && u < int(in_width);
      const uint pixel = (position / (out_width * out_height) * in_height + uint(v)) * in_width + uint(u);
      vec4 value = vec4(0.0);
      if (of_bias)
        value.x = four == 0u && position < end ? 1.0 : 0.0;
      else if (there)
        value = input_of(pixel, c + four * 4u);
      a[k * kSide + four] = Factors(value);
      b[k * kSide + four] = Factors(position < end ? grad_of(position, left + four * 4u) : vec4(0.0));
    }
    barrier();
    for (uint k = 0u; k < kDeep; ++k) {
      const vec4 g_left = vec4(b[k * kSide + tx]), g_right = vec4(b[k * kSide + 8u + tx]);
      const vec4 low = vec4(a[k * kSide + ty * 2u]), high = vec4(a[k * kSide + ty * 2u + 1u]);
      [[unroll]] for (uint r = 0u; r < 8u; ++r) {
        const vec4 value = vec4(r < 4u ? low[r % 4u] : high[r % 4u]);
        sum[r * 2u] = fma(value, g_left, sum[r * 2u]);
        sum[r * 2u + 1u] = fma(value, g_right, sum[r * 2u + 1u]);
      }
    }
  }

  const uint weights = uint(window_height * window_width) * in_channels;
  const uint first = of_bias ? weights : row / row_blocks * in_channels + c;
  const uint count = of_bias ? 1u : min(kSide * 4u, in_channels - c);
  [[unroll]] for (uint r = 0u; r < 8u; ++r)
    [[unroll]] for (uint q = 0u; q < 2u; ++q)
      [[unroll]] for (uint k = 0u; k < 4u; ++k) {
        const uint o = left + (tx + q * 8u) * 4u + k;
        if (ty * 8u + r >= count || o >= out_channels) continue;
        if (of_bias && kDirect)
          bias[o] = sum[r * 2u + q][k];
        else
          partial[(s * (weights + 1u) + first + ty * 8u + r) * out_channels + o] = sum[r * 2u + q][k];
      }
}
