#version 450
#extension GL_GOOGLE_include_directive : require

// grad_w_hh[d, u, j] = sum over n, t of h[n, before t, d, u] * grad_gates[n, t, d, j], in slabs of images. Four
// units by four gates an invocation. What lies past a sequence's end is zero in both.

#include "factors.glsl"

#include "grid.glsl"

layout(binding = 0) readonly buffer Output { float h[]; };          // [N, T, D, H]
layout(binding = 1) readonly buffer GradGates { vec4 dgates[]; };   // [N, T, D, H] of four
layout(binding = 2) writeonly buffer Partial { vec4 partial[]; };   // [slabs, D, H, H] of four
layout(push_constant) uniform Push {
  uint batch, steps, directions, hidden;
  uint reverse;
  uint slab, slabs;
};

void main() {
  const uint blocks = (hidden + 3u) / 4u, each = directions * blocks * hidden, element = invocation();
  if (element >= each * slabs) return;
  const uint q = element % hidden, block = element / hidden % blocks, d = element / (hidden * blocks) % directions;
  const bool backward = directions == 2u ? d == 1u : reverse != 0u;
  const uint begin = element / each * slab, end = min(begin + slab, batch);
  vec4 sum[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
  for (uint n = begin; n < end; ++n)
    for (uint step = 1u; step < steps; ++step) {
      const uint t = backward ? step - 1u : step, before = backward ? step : step - 1u;
      const vec4 g = vec4(Factors(dgates[((n * steps + t) * directions + d) * hidden + q]));
      const uint from = ((n * steps + before) * directions + d) * hidden + block * 4u;
      for (uint k = 0u; k < 4u; ++k)
        if (block * 4u + k < hidden) sum[k] = fma(vec4(float(Factor(h[from + k]))), g, sum[k]);
    }
  for (uint k = 0u; k < 4u; ++k) {
    const uint u = block * 4u + k;
    if (u < hidden) partial[((element / each * directions + d) * hidden + u) * hidden + q] = sum[k];
  }
}
