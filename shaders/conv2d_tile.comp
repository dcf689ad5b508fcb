#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// Eight positions by eight channels of the output an invocation, in registers alone: each weight that is read
// serves eight positions, each input eight channels. Output channels come in fours. It is the way back too,
// with the two images changed over and the weights turned to [window, O, C], and a matrix product is a window
// of one pixel. Every element is summed in the order of conv2d_forward.comp, so their bits agree.

#include "activation.glsl"
#include "conv2d.glsl"
#include "grid.glsl"

const uint kTile = 8;

layout(constant_id = 1) const uint kActivation = 0;
layout(constant_id = 2) const bool kBias = false;
layout(constant_id = 3) const bool kAccumulate = false;
layout(constant_id = 4) const bool kBackward = false;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Weight { vec4 weight[]; };
layout(binding = 2) readonly buffer Bias { vec4 bias[]; };
layout(binding = 3) buffer Output { vec4 y[]; };

vec4 activate(vec4 v) {
  return vec4(activate(kActivation, slope, v.x), activate(kActivation, slope, v.y), activate(kActivation, slope, v.z),
              activate(kActivation, slope, v.w));
}

// Where the window's element (i, j) falls for the output at `at` (row, column), or (-1, -1).
ivec2 source(ivec2 at, int i, int j) {
  ivec2 from;
  if (kBackward) {
    const ivec2 steps = ivec2(at.x + pad_top - i * dilation_h, at.y + pad_left - j * dilation_w);
    from = steps / ivec2(stride_h, stride_w);
    if (steps.x < 0 || steps.y < 0 || from * ivec2(stride_h, stride_w) != steps) return ivec2(-1);
  } else {
    from = ivec2(at.x * stride_h - pad_top + i * dilation_h, at.y * stride_w - pad_left + j * dilation_w);
    if (from.x < 0 || from.y < 0) return ivec2(-1);
  }
  return from.x < int(in_height) && from.y < int(in_width) ? from : ivec2(-1);
}

void main() {
  const uint fours = out_channels / 4u, blocks = (fours + 1u) / 2u, positions = batch * out_height * out_width;
  const uint first = invocation() / blocks * kTile;
  const uint left = invocation() % blocks * 2u, right = min(left + 1u, fours - 1u);
  if (first >= positions) return;
  ivec2 at[kTile];
  uint image[kTile];
  vec4 sum_left[kTile], sum_right[kTile];
  [[unroll]] for (uint p = 0u; p < kTile; ++p) {
    const uint position = min(first + p, positions - 1u);
    at[p] = ivec2(position / out_width % out_height, position % out_width);
    image[p] = position / (out_width * out_height) * in_height;
    sum_left[p] = sum_right[p] = vec4(0.0);
  }

  for (int i = 0; i < window_height; ++i)
    for (int j = 0; j < window_width; ++j) {
      uint from[kTile];
      bool there[kTile], any_there = false;
      [[unroll]] for (uint p = 0u; p < kTile; ++p) {
        const ivec2 pixel = source(at[p], i, j);
        there[p] = pixel.x >= 0;
        any_there = any_there || there[p];
        from[p] = there[p] ? ((image[p] + uint(pixel.x)) * in_width + uint(pixel.y)) * in_channels : 0u;
      }
      const uint w = uint(i * window_width + j) * in_channels * fours;
      if (!any_there) continue;
      for (uint c = 0u; c < in_channels; ++c) {
        const uint row = w + c * fours;
        const vec4 w_left = weight[row + left], w_right = weight[row + right];
        [[unroll]] for (uint p = 0u; p < kTile; ++p) {
          const float loaded = x[from[p] + (there[p] ? c : 0u)];
          const float value = there[p] ? loaded : 0.0;
          sum_left[p] = fma(vec4(value), w_left, sum_left[p]);
          sum_right[p] = fma(vec4(value), w_right, sum_right[p]);
        }
      }
    }

  for (uint p = 0u; p < kTile && first + p < positions; ++p) {
    const uint to = (first + p) * fours;
    vec4 result_left = sum_left[p], result_right = sum_right[p];
    if (kBias) {
      result_left += bias[left];
      result_right += bias[right];
    }
    if (kAccumulate) {
      result_left += y[to + left];
      result_right += y[to + right];
    }
    y[to + left] = activate(result_left);
    if (right != left) y[to + right] = activate(result_right);
  }
}
