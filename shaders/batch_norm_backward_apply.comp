#version 450
#extension GL_GOOGLE_include_directive : require

// dx = scale * inv_dev * (g - sum g / n - x^ * sum (g x^) / n), 0 right of an image's own width. `totals`
// holds for each channel what batch_norm_backward_finish.comp found.

#include "activation.glsl"
#include "batch_norm.glsl"
#include "grid.glsl"

layout(constant_id = 1) const uint kActivation = 0;
layout(constant_id = 2) const bool kWidths = false;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Widths { int widths[]; };
layout(binding = 2) readonly buffer Totals { float totals[]; };  // [C, 5]: as below
layout(binding = 3) readonly buffer Output { float y[]; };
layout(binding = 4) readonly buffer GradOutput { float dy[]; };
layout(binding = 5) writeonly buffer GradInput { float dx[]; };

void main() {
  const uint i = invocation();
  if (i >= rows * channels) return;
  const uint row = i / channels, c = 5u * (i % channels);
  if (kWidths && int(row % width) >= widths[row / (width * height)]) {
    dx[i] = 0.0;
    return;
  }
  const float mean_of_g = totals[c], mean_of_product = totals[c + 1u];
  const float mean = totals[c + 2u], inv_dev = totals[c + 3u], factor = totals[c + 4u];
  const float g = kActivation == kNone ? dy[i] : dy[i] * activation_slope(kActivation, slope, y[i]);
  dx[i] = factor * (g - mean_of_g - (x[i] - mean) * inv_dev * mean_of_product);
}
