#version 450
#extension GL_GOOGLE_include_directive : require

// Of one channel and one slab of rows: how many count, the sum of g, and that of g * x^.

#include "activation.glsl"
#include "batch_norm.glsl"
#include "grid.glsl"

layout(constant_id = 1) const uint kActivation = 0;
layout(constant_id = 2) const bool kWidths = false;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Widths { int widths[]; };
layout(binding = 2) readonly buffer Mean { float mean[]; };
layout(binding = 3) readonly buffer InvDev { float inv_dev[]; };
layout(binding = 4) readonly buffer Output { float y[]; };
layout(binding = 5) readonly buffer GradOutput { float dy[]; };
layout(binding = 6) writeonly buffer Partial { float partial[]; };  // [slabs, C, 3]

void main() {
  const uint element = invocation();
  if (element >= slabs * channels) return;
  const uint c = element % channels, begin = element / channels * slab, end = min(begin + slab, rows);
  float count = 0.0, sum = 0.0, product = 0.0;
  for (uint row = begin; row < end; ++row) {
    if (kWidths && int(row % width) >= widths[row / (width * height)]) continue;
    const uint i = row * channels + c;
    const float g = kActivation == kNone ? dy[i] : dy[i] * activation_slope(kActivation, slope, y[i]);
    count += 1.0;
    sum += g;
    product = fma(g, (x[i] - mean[c]) * inv_dev[c], product);
  }
  partial[3u * element] = count;
  partial[3u * element + 1u] = sum;
  partial[3u * element + 2u] = product;
}
