#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_vote : require

// For drivers on the processor, where a subgroup is a vector register: a workgroup is one subgroup, with kRows
// positions by kFours fours of output channels a lane. Each lane loads the inputs of positions of its own, and a
// shuffle hands them to all others. Texels, since these drivers load them with vector instructions, and the
// elements of a storage buffer one by one.
//
// It is the way back too, with the two images changed over and the weights turned to [window, O, C], and a
// matrix product is a window of one pixel. Every element is summed in the order of conv2d_forward.comp, so their
// bits agree.

#include "activation.glsl"
#include "conv2d.glsl"
#include "conv2d_end.glsl"
#include "conv2d_source.glsl"
#include "grid.glsl"

layout(constant_id = 7) const uint kFours = 1;
layout(constant_id = 8) const uint kRows = 16;
layout(binding = 0) uniform samplerBuffer input_texels;
layout(binding = 1) uniform samplerBuffer weight_texels;

const uint kLanes = gl_WorkGroupSize.x;
const uint kOwn = (kRows + kLanes - 1u) / kLanes;

vec4 weights_of(uint row, uint four) {
  if (kOutFours) return texelFetch(weight_texels, int(row * (out_channels / 4u) + four));
  vec4 w;
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    w[k] = texelFetch(weight_texels, int(row * out_channels + min(four * 4u + k, out_channels - 1u))).x;
  return w;
}

void main() {
  const uint fours = (out_channels + 3u) / 4u, blocks = (fours + kLanes * kFours - 1u) / (kLanes * kFours);
  const uint positions = batch * out_height * out_width, own = gl_SubgroupInvocationID;
  // Workgroups that follow one another share their weights, which a core's cache then holds.
  const uint tiles = (positions + kRows - 1u) / kRows, block = group() / tiles, first = group() % tiles * kRows;
  if (block >= blocks) return;
  uint four[kFours];
  [[unroll]] for (uint q = 0u; q < kFours; ++q) four[q] = block * (kLanes * kFours) + q * kLanes + own;
  ivec2 at[kOwn];
  uint image[kOwn];
  [[unroll]] for (uint p = 0u; p < kOwn; ++p) {
    const uint position = min(first + p * kLanes + own, positions - 1u);
    at[p] = ivec2(position / out_width % out_height, position % out_width);
    image[p] = position / (out_width * out_height) * in_height;
  }
  vec4 sum[kRows * kFours];
  [[unroll]] for (uint i = 0u; i < kRows * kFours; ++i) sum[i] = vec4(0.0);

  const uint steps = kInFours ? in_channels / 4u : in_channels;
  for (int i = 0; i < window_height; ++i)
    for (int j = 0; j < window_width; ++j) {
      uint from[kOwn];
      bool there[kOwn], any_there = false;
      [[unroll]] for (uint p = 0u; p < kOwn; ++p) {
        const ivec2 pixel = source(kBackward, at[p], i, j);
        there[p] = pixel.x >= 0;
        any_there = any_there || there[p];
        from[p] = there[p] ? ((image[p] + uint(pixel.x)) * in_width + uint(pixel.y)) * steps : 0u;
      }
      const uint needed = subgroupAny(any_there) ? steps : 0u;
      uint row = uint(i * window_width + j) * in_channels;
      for (uint c = 0u; c < needed; ++c) {
        vec4 mine[kOwn];
        [[unroll]] for (uint p = 0u; p < kOwn; ++p) {
          const vec4 loaded = texelFetch(input_texels, int(from[p] + c));
          mine[p] = there[p] ? loaded : vec4(0.0);
        }
        [[unroll]] for (uint q = 0u; q < kFours; ++q) {
          const uint column = min(four[q], fours - 1u);
          vec4 w[4];
          [[unroll]] for (uint e = 0u; e < (kInFours ? 4u : 1u); ++e) w[e] = weights_of(row + e, column);
          [[unroll]] for (uint r = 0u; r < kRows; ++r) {
            const uint at_sum = r * kFours + q;
            if (kInFours) {
              const vec4 x = subgroupShuffle(mine[r / kLanes], r % kLanes);
              [[unroll]] for (uint e = 0u; e < 4u; ++e) sum[at_sum] = fma(vec4(x[e]), w[e], sum[at_sum]);
            } else {
              sum[at_sum] = fma(vec4(subgroupShuffle(mine[r / kLanes].x, r % kLanes)), w[0], sum[at_sum]);
            }
          }
        }
        row += kInFours ? 4u : 1u;
      }
    }

  [[unroll]] for (uint r = 0u; r < kRows; ++r)
    [[unroll]] for (uint q = 0u; q < kFours; ++q)
      if (first + r < positions && four[q] < fours) finish(first + r, four[q], sum[r * kFours + q]);
}
