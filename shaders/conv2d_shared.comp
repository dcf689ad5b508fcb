#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// For GPUs: a workgroup of 8 x 8 invocations computes kTall * 8 positions by 64 output channels, each
// invocation kTall by 8 in registers. Eight input channels at a time are brought to shared memory. See
// conv2d_lanes.comp for what it serves; the order of each element's sum is the same.

#include "factors.glsl"

#include "activation.glsl"
#include "conv2d.glsl"
#include "conv2d_end.glsl"
#include "conv2d_source.glsl"
#include "grid.glsl"

layout(constant_id = 7) const uint kTall = 8;  // 4 or 8
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 0) readonly buffer InputFours { vec4 x_fours[]; };
layout(binding = 1) readonly buffer Weight { float weight[]; };
layout(binding = 1) readonly buffer WeightFours { vec4 weight_fours[]; };

const uint kThreads = 64u, kRows = kTall * 8u, kColumns = 16u, kDeep = 8u;  // columns in fours
shared Factor a[kDeep * kRows];
shared Factors b[kDeep * kColumns];

vec4 input_of(uint pixel, uint c) {
  if (kInFours) return c < in_channels ? x_fours[(pixel * in_channels + c) / 4u] : vec4(0.0);
  vec4 loaded = vec4(0.0);
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    if (c + k < in_channels) loaded[k] = x[pixel * in_channels + c + k];
  return loaded;
}

vec4 weight_of(uint row, uint four) {
  if (kOutFours) return four * 4u < out_channels ? weight_fours[row * (out_channels / 4u) + four] : vec4(0.0);
  vec4 loaded = vec4(0.0);
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    if (four * 4u + k < out_channels) loaded[k] = weight[row * out_channels + four * 4u + k];
  return loaded;
}

void main() {
  const uint fours = (out_channels + 3u) / 4u, blocks = (fours + kColumns - 1u) / kColumns;
  const uint positions = batch * out_height * out_width;
  const uint first = group() / blocks * kRows, left = group() % blocks * kColumns;
  if (first >= positions) return;
  const uint loads = lane() % kRows, position = min(first + loads, positions - 1u);
  const ivec2 at = ivec2(position / out_width % out_height, position % out_width);
  const uint image = position / (out_width * out_height) * in_height;
  const uint tx = lane() % 8u, ty = lane() / 8u;
  vec4 sum[kTall * 2u];
  [[unroll]] for (uint k = 0u; k < kTall * 2u; ++k) sum[k] = vec4(0.0);

  for (int i = 0; i < window_height; ++i)
    for (int j = 0; j < window_width; ++j) {
      const ivec2 pixel = source(kBackward, at, i, j);
      const uint from = (image + uint(pixel.x)) * in_width + uint(pixel.y);
      for (uint c = 0u; c < in_channels; c += kDeep) {
        barrier();
        [[unroll]] for (uint e = 0u; e < kDeep * kRows / 4u; e += kThreads) {
          const uint k = (lane() + e) / kRows * 4u;
          const vec4 loaded = pixel.x >= 0 ? input_of(from, c + k) : vec4(0.0);
          [[unroll]] for (uint f = 0u; f < 4u; ++f) a[(k + f) * kRows + loads] = Factor(loaded[f]);
        }
        [[unroll]] for (uint e = 0u; e < kDeep * kColumns; e += kThreads) {
          const uint k = (lane() + e) / kColumns, four = (lane() + e) % kColumns;
          const uint row = uint(i * window_width + j) * in_channels + c + k;
          b[k * kColumns + four] = Factors(c + k < in_channels ? weight_of(row, left + four) : vec4(0.0));
        }
        barrier();
        for (uint k = 0u; k < min(kDeep, in_channels - c); ++k) {
          const vec4 w_left = vec4(b[k * kColumns + tx]), w_right = vec4(b[k * kColumns + 8u + tx]);
          [[unroll]] for (uint r = 0u; r < kTall; ++r) {
            const vec4 value = vec4(a[k * kRows + ty * kTall + r]);
            sum[r * 2u] = fma(value, w_left, sum[r * 2u]);
            sum[r * 2u + 1u] = fma(value, w_right, sum[r * 2u + 1u]);
          }
        }
      }
    }

  [[unroll]] for (uint r = 0u; r < kTall; ++r)
    [[unroll]] for (uint q = 0u; q < 2u; ++q) {
      const uint row = first + ty * kTall + r, four = left + tx + q * 8u;
      if (row < positions && four < fours) finish(row, four, sum[r * 2u + q]);
    }
}
