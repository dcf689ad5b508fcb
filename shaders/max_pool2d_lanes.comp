#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// As max_pool2d_forward.comp where channels come in fours, for drivers on the processor, which load texels with
// vector instructions.

#include "grid.glsl"
#include "math.glsl"

const uint kNoChoice = 255u;

layout(constant_id = 1) const bool kWidths = false;
layout(constant_id = 2) const bool kChoice = false;
layout(binding = 0) uniform samplerBuffer x;
layout(binding = 1) readonly buffer Widths { int widths[]; };
layout(binding = 2) writeonly buffer Output { vec4 y[]; };
layout(binding = 3) writeonly buffer Choice { uint choices[]; };
layout(push_constant) uniform Push {
  uint count;  // outputs
  uint in_height, in_width, channels, out_height, out_width;
  int window_height, window_width, stride_h, stride_w, pad_top, pad_left;
};

void main() {
  const uint four = invocation(), fours = channels / 4u;
  if (four * 4u >= count) return;
  const uint c = four % fours, pixel = four / fours;
  const int column = int(pixel % out_width), row = int(pixel / out_width % out_height);
  const uint n = pixel / (out_width * out_height);
  const int width = kWidths ? clamp(widths[n], 0, int(in_width)) : int(in_width);
  uvec4 choice = uvec4(kNoChoice);
  vec4 best = vec4(0.0);
  for (int i = 0; i < window_height; ++i)
    for (int j = 0; j < window_width; ++j) {
      const int v = row * stride_h - pad_top + i, u = column * stride_w - pad_left + j;
      const bool there = v >= 0 && v < int(in_height) && u >= 0 && u < width;
      const uint from = there ? (n * in_height + uint(v)) * in_width + uint(u) : 0u;
      const vec4 value = texelFetch(x, int(from * fours + c));
      [[unroll]] for (uint k = 0u; k < 4u; ++k) {
        const bool takes =
            there && (choice[k] == kNoChoice || value[k] > best[k] || (is_nan(value[k]) && !is_nan(best[k])));
        best[k] = takes ? value[k] : best[k];
        choice[k] = takes ? uint(i * window_width + j) : choice[k];
      }
    }
  y[four] = best;
  if (kChoice) choices[four] = choice.x | choice.y << 8u | choice.z << 16u | choice.w << 24u;
}
