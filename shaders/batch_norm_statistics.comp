#version 450
#extension GL_GOOGLE_include_directive : require

// Of one channel and one slab of rows: how many count, their mean, and the sum of their squared distances
// from it.

#include "batch_norm.glsl"
#include "grid.glsl"

layout(constant_id = 1) const bool kWidths = false;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Widths { int widths[]; };
layout(binding = 2) writeonly buffer Partial { float partial[]; };  // [slabs, C, 3]

bool counts(uint row) { return !kWidths || int(row % width) < widths[row / (width * height)]; }

void main() {
  const uint element = invocation();
  if (element >= slabs * channels) return;
  const uint c = element % channels, begin = element / channels * slab, end = min(begin + slab, rows);
  float count = 0.0, sum = 0.0;
  for (uint row = begin; row < end; ++row)
    if (counts(row)) {
      count += 1.0;
      sum += x[row * channels + c];
    }
  const float mean = count > 0.0 ? sum / count : 0.0;
  float squares = 0.0;
  for (uint row = begin; row < end; ++row)
    if (counts(row)) {
      const float distance = x[row * channels + c] - mean;
      squares = fma(distance, distance, squares);
    }
  partial[3u * element] = count;
  partial[3u * element + 1u] = mean;
  partial[3u * element + 2u] = squares;
}
