#version 450
#extension GL_GOOGLE_include_directive : require

// y = activation((x - mean) * inv_dev * scale + offset), 0 right of an image's own width.

#include "activation.glsl"
#include "batch_norm.glsl"
#include "grid.glsl"

layout(constant_id = 1) const uint kActivation = 0;
layout(constant_id = 2) const bool kWidths = false;
layout(constant_id = 3) const bool kScale = false;
layout(constant_id = 4) const bool kOffset = false;
layout(constant_id = 5) const bool kVariance = false;  // inv_dev holds variances
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Widths { int widths[]; };
layout(binding = 2) readonly buffer Mean { float mean[]; };
layout(binding = 3) readonly buffer InvDev { float inv_dev[]; };
layout(binding = 4) readonly buffer Scale { float scale[]; };
layout(binding = 5) readonly buffer Offset { float offset[]; };
layout(binding = 6) writeonly buffer Output { float y[]; };

void main() {
  const uint i = invocation();
  if (i >= rows * channels) return;
  const uint row = i / channels, c = i % channels;
  if (kWidths && int(row % width) >= widths[row / (width * height)]) {
    y[i] = 0.0;
    return;
  }
  float value = (x[i] - mean[c]) * (kVariance ? 1.0 / sqrt(inv_dev[c] + epsilon) : inv_dev[c]);
  if (kScale) value *= scale[c];
  if (kOffset) value += offset[c];
  y[i] = activate(kActivation, slope, value);
}
