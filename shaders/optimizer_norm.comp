#version 450
#extension GL_GOOGLE_include_directive : require

// The norm of all gradients, and what they must be multiplied with. One invocation.

#include "exact_sum.glsl"
#include "grid.glsl"
#include "math.glsl"

layout(constant_id = 1) const bool kScaled = false;  // there is a loss scale
layout(binding = 0) readonly buffer Partial { vec2 partial[]; };
layout(binding = 1) writeonly buffer Norm { float norm_of[]; };
layout(binding = 2) writeonly buffer Scale { float scale_of[]; };
layout(binding = 3) readonly buffer LossScale { float loss_scale[]; };
layout(push_constant) uniform Push {
  uint count;
  float limit;
};

void main() {
  if (invocation() != 0u) return;
  vec2 total = vec2(0.0);
  for (uint i = 0u; i < count; ++i) total = add_exactly(total, partial[i]);
  // Of an infinite sum the rounding error is NaN.
  const float by = kScaled ? loss_scale[0] : 1.0;
  const float norm = abs(total.x) < kInfinity ? sqrt(rounded(total)) / by : total.x;
  norm_of[0] = norm;
  scale_of[0] = !(norm < kInfinity) ? 0.0 : (limit > 0.0 && norm > limit ? limit / norm : 1.0) / by;
}
