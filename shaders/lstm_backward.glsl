// The way back through lstm_forward.comp, with the same workgroups: at each step the gradients of the gates,
// from those of the state and the cell, and then that of the state before, which is a product with the weights
// again. The gradient of the weights is lstm_backward_weight.comp's. LANES is as in lstm_forward.glsl.

#include "factors.glsl"

#include "grid.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint kBatch = 1;
layout(constant_id = 2) const uint kHidden = 1;
layout(constant_id = 3) const bool kFrames = false;
layout(constant_id = 4) const uint kWidth = 1;  // of a subgroup
#ifdef LANES
layout(binding = 0) uniform samplerBuffer w_hh;  // [D, H, H] of four
#else
layout(binding = 0) readonly buffer Weight { Factors w_hh[]; };
#endif
layout(binding = 1) readonly buffer Frames { int frames[]; };
layout(binding = 2) readonly buffer Gates { float gates[]; };          // [N, T, D, 4, H]
layout(binding = 3) readonly buffer Cells { float cells[]; };          // [N, T, D, H]
layout(binding = 4) readonly buffer GradOutput { float dy[]; };        // [N, T, D, H]
layout(binding = 5) writeonly buffer GradGatesIn { float dgates[]; };  // [N, T, D, 4, H]
layout(push_constant) uniform Push {
  uint batch, steps, directions;
  uint reverse;
};

shared float dh[kBatch * kHidden], dc[kBatch * kHidden];
shared Factor grads[kBatch * 4u * kHidden];

vec4 grads_at(uint b, uint q) {
  const uint at = (b * kHidden + q) * 4u;
  return vec4(grads[at], grads[at + 1u], grads[at + 2u], grads[at + 3u]);
}

// Adds to a unit's gradient what comes through the gates of the step after.
void add_gates(uint d, uint u, inout vec4 sum[kBatch]) {
#ifdef LANES
  for (uint first = 0u; first < kHidden; first += kWidth) {
    const uint own = first + gl_SubgroupInvocationID;
    vec4 of_gates[kBatch];
    [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
      const vec4 loaded = grads_at(b, min(own, kHidden - 1u));
      of_gates[b] = own < kHidden ? loaded : vec4(0.0);
    }
    [[unroll]] for (uint k = 0u; k < kWidth; ++k) {
      const vec4 w = texelFetch(w_hh, int((d * kHidden + u) * kHidden + min(first + k, kHidden - 1u)));
      [[unroll]] for (uint b = 0u; b < kBatch; ++b) sum[b] = fma(w, subgroupShuffle(of_gates[b], k), sum[b]);
    }
  }
#else
  for (uint q = 0u; q < kHidden; ++q) {
    const vec4 w = vec4(w_hh[(d * kHidden + u) * kHidden + q]);
    [[unroll]] for (uint b = 0u; b < kBatch; ++b) sum[b] = fma(w, grads_at(b, q), sum[b]);
  }
#endif
}

void main() {
  const uint d = group() % directions, first = group() / directions * kBatch;
  if (first >= batch) return;
  const bool backward = directions == 2u ? d == 1u : reverse != 0u;
  uint length[kBatch], longest = 0u;
  [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
    length[b] = first + b >= batch ? 0u : kFrames ? uint(clamp(frames[first + b], 0, int(steps))) : steps;
    longest = max(longest, length[b]);
  }
  for (uint i = lane(); i < kBatch * kHidden; i += lanes()) dh[i] = dc[i] = 0.0;
  barrier();

  for (uint step = longest; step-- > 0u;) {
    for (uint u = lane(); u < kHidden; u += lanes())
      [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
        const uint to = b * 4u * kHidden + u;
        if (step >= length[b]) {
          for (uint k = 0u; k < 4u; ++k) grads[to + k * kHidden] = Factor(0.0);
          continue;
        }
        const uint t = backward ? length[b] - 1u - step : step;
        const uint at = ((first + b) * steps + t) * directions + d, from = at * 4u * kHidden + u;
        const uint before = backward ? at + directions : at - directions;
        const float i = gates[from], f = gates[from + kHidden], g = gates[from + 2u * kHidden],
                    o = gates[from + 3u * kHidden];
        const float tanh_c = tanh_of(cells[at * kHidden + u]);
        const float c_before = step > 0u ? cells[before * kHidden + u] : 0.0;
        const float grad_h = dy[at * kHidden + u] + dh[b * kHidden + u];
        const float grad_c = fma(grad_h * o, fma(-tanh_c, tanh_c, 1.0), dc[b * kHidden + u]);
        const float of_gates[4] = float[4](grad_c * g * i * (1.0 - i), grad_c * c_before * f * (1.0 - f),
                                           grad_c * i * fma(-g, g, 1.0), grad_h * tanh_c * o * (1.0 - o));
        for (uint k = 0u; k < 4u; ++k) {
          grads[to + k * kHidden] = Factor(of_gates[k]);
          dgates[from + k * kHidden] = of_gates[k];
        }
        dc[b * kHidden + u] = grad_c * f;
      }
    barrier();
    for (uint begin = 0u; begin < kHidden; begin += lanes()) {
      const uint u = min(begin + lane(), kHidden - 1u);  // all lanes are needed by a shuffle
      vec4 sum[kBatch];
      [[unroll]] for (uint b = 0u; b < kBatch; ++b) sum[b] = vec4(0.0);
      add_gates(d, u, sum);
      if (begin + lane() >= kHidden) continue;
      [[unroll]] for (uint b = 0u; b < kBatch; ++b) dh[b * kHidden + u] = (sum[b].x + sum[b].y) + (sum[b].z + sum[b].w);
    }
    barrier();
  }

  [[unroll]] for (uint b = 0u; b < kBatch; ++b)
    for (uint t = length[b]; t < steps && first + b < batch; ++t)
      for (uint i = lane(); i < 4u * kHidden; i += lanes())
        dgates[(((first + b) * steps + t) * directions + d) * 4u * kHidden + i] = 0.0;
}
