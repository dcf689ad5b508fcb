#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require

// As conv2d_backward_weight.comp, for drivers on the processor (see conv2d_lanes.comp): a workgroup is one
// subgroup, with kEights * 8 input channels by kFours fours of output channels a lane. Two lanes load eight
// channels of one position. The last rows are the biases', whose input is 1.

#include "conv2d.glsl"
#include "grid.glsl"

layout(constant_id = 1) const bool kInFours = false;
layout(constant_id = 2) const bool kOutFours = false;
layout(constant_id = 3) const bool kDirect = false;  // one slab, written to where it belongs
layout(constant_id = 4) const uint kFours = 1;
layout(constant_id = 5) const uint kEights = 1;
layout(binding = 0) uniform samplerBuffer input_texels;
layout(binding = 1) uniform samplerBuffer grad_texels;
layout(binding = 2) writeonly buffer Partial { float partial[]; };  // [slabs, window * C + 1, O]
layout(binding = 2) writeonly buffer PartialFours { vec4 partial_fours[]; };
layout(binding = 3) writeonly buffer Bias { float bias[]; };

const uint kLanes = gl_WorkGroupSize.x, kRows = kEights * 8u, kTogether = kLanes / 2u;

vec4 input_of(uint pixel, uint c) {
  if (kInFours) return texelFetch(input_texels, int(pixel * (in_pitch / 4u) + min(c, in_channels - 4u) / 4u));
  vec4 x;
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    x[k] = texelFetch(input_texels, int(pixel * in_pitch + min(c + k, in_channels - 1u))).x;
  return x;
}

vec4 grad_of(uint position, uint four) {
  if (kOutFours) return texelFetch(grad_texels, int(position * (out_pitch / 4u) + four));
  vec4 g;
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    g[k] = texelFetch(grad_texels, int(position * out_pitch + min(four * 4u + k, out_channels - 1u))).x;
  return g;
}

void main() {
  const uint fours = (out_channels + 3u) / 4u, blocks = (fours + kLanes * kFours - 1u) / (kLanes * kFours);
  const uint row_blocks = (in_channels + kRows - 1u) / kRows;
  const uint rows = uint(window_height * window_width) * row_blocks + 1u;
  const uint row = group() / blocks % rows, s = group() / (blocks * rows), own = gl_SubgroupInvocationID;
  if (s >= slabs) return;
  const bool of_bias = row == rows - 1u;
  const uint c = of_bias ? 0u : row % row_blocks * kRows;
  const int j = int(row / row_blocks) % window_width, i = int(row / row_blocks) / window_width;
  uint four[kFours];
  [[unroll]] for (uint q = 0u; q < kFours; ++q) four[q] = group() % blocks * (kLanes * kFours) + q * kLanes + own;
  vec4 sum[kRows * kFours];
  [[unroll]] for (uint k = 0u; k < kRows * kFours; ++k) sum[k] = vec4(0.0);

  const uint end = min((s + 1u) * slab, batch * out_height * out_width);
  const uint begin = s * slab + own / 2u;
  uint column = begin % out_width, line = begin / out_width % out_height, n = begin / (out_width * out_height);
  for (uint p = s * slab; p < end; p += kTogether) {
    const int u = int(column) * stride_w - pad_left + j * dilation_w;
    const int v = int(line) * stride_h - pad_top + i * dilation_h;
    const bool within = p + own / 2u < end;
    const bool there = within && v >= 0 && v < int(in_height) && u >= 0 && u < int(in_width);
    const uint pixel = there ? (n * in_height + uint(v)) * in_width + uint(u) : 0u;
    vec4 x[kEights];
    [[unroll]] for (uint e = 0u; e < kEights; ++e) {
      const vec4 loaded = input_of(pixel, c + e * 8u + own % 2u * 4u);
      x[e] = of_bias ? vec4(within && own % 2u == 0u && e == 0u ? 1.0 : 0.0, 0.0, 0.0, 0.0) : there ? loaded : vec4(0.0);
    }
    [[unroll]] for (uint q = 0u; q < kFours; ++q) {
      vec4 g[kTogether];
      [[unroll]] for (uint k = 0u; k < kTogether; ++k) g[k] = grad_of(min(p + k, end - 1u), min(four[q], fours - 1u));
      [[unroll]] for (uint r = 0u; r < kRows; ++r)
        [[unroll]] for (uint k = 0u; k < kTogether; ++k) {
          const float value = subgroupShuffle(x[r / 8u][r % 4u], k * 2u + r / 4u % 2u);
          sum[r * kFours + q] = fma(vec4(value), g[k], sum[r * kFours + q]);
        }
    }
    for (column += kTogether; column >= out_width;) {
      column -= out_width;
      line += 1u;
      if (line == out_height) {
        line = 0u;
        n += 1u;
      }
    }
  }

  const uint weights = uint(window_height * window_width) * in_channels;
  const uint first = of_bias ? weights : row / row_blocks * in_channels + c;
  const uint count = of_bias ? 1u : min(kRows, in_channels - c);
  [[unroll]] for (uint r = 0u; r < kRows; ++r)
    [[unroll]] for (uint q = 0u; q < kFours; ++q) {
      if (r >= count || four[q] >= fours) continue;
      const uint to = s * (weights + 1u) + first + r;
      if (kOutFours && !of_bias)
        partial_fours[to * fours + four[q]] = sum[r * kFours + q];
      else
        [[unroll]] for (uint k = 0u; k < 4u; ++k) {
          const uint o = four[q] * 4u + k;
          if (o >= out_channels) continue;
          if (of_bias && kDirect)
            bias[o] = sum[r * kFours + q][k];
          else
            partial[to * out_channels + o] = sum[r * kFours + q][k];
        }
    }
}
