#version 450
#extension GL_GOOGLE_include_directive : require

// Four outputs an invocation: their choices are the four bytes of one word.

#include "grid.glsl"
#include "math.glsl"

const uint kNoChoice = 255u;

layout(constant_id = 1) const bool kWidths = false;
layout(constant_id = 2) const bool kChoice = false;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Widths { int widths[]; };
layout(binding = 2) writeonly buffer Output { float y[]; };
layout(binding = 3) buffer Choice { uint choices[]; };
layout(push_constant) uniform Push {
  uint count;  // outputs
  uint in_height, in_width, channels, out_height, out_width;
  int window_height, window_width, stride_h, stride_w, pad_top, pad_left;
};

uint choose(uint element, out float best) {
  const uint c = element % channels, pixel = element / channels;
  const int column = int(pixel % out_width), row = int(pixel / out_width % out_height);
  const uint n = pixel / (out_width * out_height);
  const int width = kWidths ? clamp(widths[n], 0, int(in_width)) : int(in_width);
  uint choice = kNoChoice;
  best = 0.0;
  for (int i = 0; i < window_height; ++i)
    for (int j = 0; j < window_width; ++j) {
      const int v = row * stride_h - pad_top + i, u = column * stride_w - pad_left + j;
      if (v < 0 || v >= int(in_height) || u < 0 || u >= width) continue;
      const float value = x[((n * in_height + v) * in_width + u) * channels + c];
      if (choice == kNoChoice || value > best || (is_nan(value) && !is_nan(best))) {
        best = value;
        choice = uint(i * window_width + j);
      }
    }
  return choice;
}

void main() {
  const uint word = invocation();
  if (word * 4u >= count) return;
  uint packed = 0u, mask = 0u;
  for (uint k = 0u; k < 4u && word * 4u + k < count; ++k) {
    float best;
    packed |= choose(word * 4u + k, best) << (8u * k);
    mask |= 255u << (8u * k);
    y[word * 4u + k] = best;
  }
  if (kChoice) choices[word] = mask == 0xFFFFFFFFu ? packed : packed | (choices[word] & ~mask);
}
