#version 450
#extension GL_GOOGLE_include_directive : require

// Reduces one slab of what one output is made of. With one slab that is the result; with more, pairs of
// exact_sum.glsl that reduce_finish.comp puts together.

#include "exact_sum.glsl"
#include "grid.glsl"
#include "math.glsl"

const uint kSum = 0, kMean = 1, kMaximum = 2;  // as in ReduceKind

layout(constant_id = 1) const uint kKind = 0;
layout(constant_id = 2) const uint kKept = 1;     // axes
layout(constant_id = 3) const uint kReduced = 1;  // axes
layout(constant_id = 4) const bool kFinal = false;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) writeonly buffer Partial { vec2 partial[]; };  // [slabs, outputs]
layout(binding = 2) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint outputs, terms;  // terms of one output
  uint slab, slabs;
  uint kept_extents[6], kept_strides[6];
  uint reduced_extents[6], reduced_strides[6];
};

void main() {
  const uint element = invocation();
  if (element >= outputs * slabs) return;
  uint start = 0u, rest = element % outputs;
  for (uint axis = kKept; axis-- > 0u;) {
    start += rest % kept_extents[axis] * kept_strides[axis];
    rest /= kept_extents[axis];
  }
  const uint begin = element / outputs * slab, end = min(begin + slab, terms);
  vec2 total = vec2(kKind == kMaximum ? -kInfinity : 0.0, 0.0);
  for (uint term = begin; term < end; ++term) {
    uint at = start, left = term;
    for (uint axis = kReduced; axis-- > 0u;) {
      at += left % reduced_extents[axis] * reduced_strides[axis];
      left /= reduced_extents[axis];
    }
    if (kKind != kMaximum)
      total = add_exactly(total, x[at]);
    else if (x[at] > total.x || is_nan(x[at]))
      total.x = x[at];
  }
  if (!kFinal)
    partial[element] = total;
  else
    y[element] = kKind == kMaximum ? total.x : kKind == kMean ? rounded(total) / float(terms) : rounded(total);
}
