#version 450
#extension GL_GOOGLE_include_directive : require

// Adds up the slabs' sums, one channel an invocation, and lays out what batch_norm_backward_apply.comp needs
// of a channel: mean of g, mean of g * x^, mean, inv_dev, scale * inv_dev.

#include "batch_norm.glsl"
#include "exact_sum.glsl"
#include "grid.glsl"

layout(constant_id = 1) const bool kScale = false;
layout(constant_id = 2) const bool kGradScale = false;
layout(constant_id = 3) const bool kGradOffset = false;
layout(binding = 0) readonly buffer Partial { float partial[]; };  // [slabs, C, 3]
layout(binding = 1) readonly buffer Mean { float mean[]; };
layout(binding = 2) readonly buffer InvDev { float inv_dev[]; };
layout(binding = 3) readonly buffer Scale { float scale[]; };
layout(binding = 4) writeonly buffer Totals { float totals[]; };  // [C, 5]
layout(binding = 5) writeonly buffer GradScale { float grad_scale[]; };
layout(binding = 6) writeonly buffer GradOffset { float grad_offset[]; };

void main() {
  const uint c = invocation();
  if (c >= channels) return;
  float count = 0.0;
  vec2 sum = vec2(0.0), product = vec2(0.0);
  for (uint s = 0u; s < slabs; ++s) {
    const uint at = 3u * (s * channels + c);
    count += partial[at];
    sum = add_exactly(sum, partial[at + 1u]);
    product = add_exactly(product, partial[at + 2u]);
  }
  totals[5u * c] = rounded(sum) / count;
  totals[5u * c + 1u] = rounded(product) / count;
  totals[5u * c + 2u] = mean[c];
  totals[5u * c + 3u] = inv_dev[c];
  totals[5u * c + 4u] = kScale ? scale[c] * inv_dev[c] : inv_dev[c];
  if (kGradScale) grad_scale[c] = rounded(product);
  if (kGradOffset) grad_offset[c] = rounded(sum);
}
