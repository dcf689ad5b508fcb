#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require

// As lstm_forward.comp, for drivers on the processor (see conv2d_lanes.comp). A lane has all four gates of four
// adjacent units, so that only the states pass through shared memory, in turn through two places of it.

#include "factors.glsl"

#include "grid.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint kBatch = 1;
layout(constant_id = 2) const uint kHidden = 4;  // in fours
layout(constant_id = 3) const bool kFrames = false;
layout(constant_id = 4) const bool kKeep = false;  // gates and cells, for the way back
layout(constant_id = 5) const uint kWidth = 4;     // of a subgroup, in fours
layout(binding = 0) uniform samplerBuffer gates_in;  // [N, T, D, 4, H / 4] of four
layout(binding = 1) uniform samplerBuffer w_hh;      // [D, H, 4, H / 4] of four
layout(binding = 2) readonly buffer Frames { int frames[]; };
layout(binding = 3) writeonly buffer Output { vec4 y[]; };     // [N, T, D, H / 4] of four
layout(binding = 4) writeonly buffer Gates { vec4 gates[]; };  // [N, T, D, 4, H / 4] of four
layout(binding = 5) writeonly buffer Cells { vec4 cells[]; };  // [N, T, D, H / 4] of four
layout(push_constant) uniform Push {
  uint batch, steps, directions;
  uint reverse;
};

const uint kUnits = kHidden / 4u;
shared Factor h[2u * kBatch * kHidden];
shared vec4 cell[kBatch * kUnits];

vec4 sigmoid_of(vec4 x) { return vec4(sigmoid_of(x.x), sigmoid_of(x.y), sigmoid_of(x.z), sigmoid_of(x.w)); }
vec4 tanh_of(vec4 x) { return vec4(tanh_of(x.x), tanh_of(x.y), tanh_of(x.z), tanh_of(x.w)); }

void main() {
  const uint d = group() % directions, first = group() / directions * kBatch;
  if (first >= batch) return;
  const bool backward = directions == 2u ? d == 1u : reverse != 0u;
  uint length[kBatch], longest = 0u;
  [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
    length[b] = first + b >= batch ? 0u : kFrames ? uint(clamp(frames[first + b], 0, int(steps))) : steps;
    longest = max(longest, length[b]);
  }
  for (uint i = lane(); i < kBatch * kHidden; i += lanes()) h[i] = Factor(0.0);
  for (uint i = lane(); i < kBatch * kUnits; i += lanes()) cell[i] = vec4(0.0);
  barrier();

  for (uint step = 0u; step < longest; ++step) {
    const uint from = step % 2u * kBatch * kHidden, to = kBatch * kHidden - from;
    for (uint begin = 0u; begin < kUnits; begin += lanes()) {
      const uint q = min(begin + lane(), kUnits - 1u);  // all lanes are needed by a shuffle
      vec4 sum[kBatch * 4u];
      [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
        const bool there = step < length[b];
        const uint t = there ? backward ? length[b] - 1u - step : step : 0u, n = there ? first + b : 0u;
        [[unroll]] for (uint gate = 0u; gate < 4u; ++gate)
          sum[b * 4u + gate] = texelFetch(gates_in, int((((n * steps + t) * directions + d) * 4u + gate) * kUnits + q));
      }
      for (uint unit = 0u; unit < kHidden; unit += kWidth) {
        const uint own = unit + gl_SubgroupInvocationID;
        float state[kBatch];
        [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
          const float loaded = float(h[from + b * kHidden + min(own, kHidden - 1u)]);
          state[b] = own < kHidden ? loaded : 0.0;
        }
        [[unroll]] for (uint k = 0u; k < kWidth; k += 4u)
          [[unroll]] for (uint gate = 0u; gate < 4u; ++gate) {
            vec4 w[4];
            [[unroll]] for (uint e = 0u; e < 4u; ++e) {
              const uint row = d * kHidden + min(unit + k + e, kHidden - 1u);
              w[e] = texelFetch(w_hh, int((row * 4u + gate) * kUnits + q));
            }
            [[unroll]] for (uint b = 0u; b < kBatch; ++b)
              [[unroll]] for (uint e = 0u; e < 4u; ++e)
                sum[b * 4u + gate] = fma(vec4(subgroupShuffle(state[b], k + e)), w[e], sum[b * 4u + gate]);
          }
      }
      [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
        if (begin + lane() >= kUnits || step >= length[b]) continue;
        const uint t = backward ? length[b] - 1u - step : step;
        const uint at = ((first + b) * steps + t) * directions + d;
        const vec4 i = sigmoid_of(sum[b * 4u]), f = sigmoid_of(sum[b * 4u + 1u]);
        const vec4 g = tanh_of(sum[b * 4u + 2u]), o = sigmoid_of(sum[b * 4u + 3u]);
        const vec4 c = fma(f, cell[b * kUnits + q], i * g), result = o * tanh_of(c);
        cell[b * kUnits + q] = c;
        [[unroll]] for (uint e = 0u; e < 4u; ++e) h[to + b * kHidden + q * 4u + e] = Factor(result[e]);
        y[at * kUnits + q] = result;
        if (!kKeep) continue;
        cells[at * kUnits + q] = c;
        gates[at * kHidden + q] = i;
        gates[at * kHidden + kUnits + q] = f;
        gates[at * kHidden + kUnits * 2u + q] = g;
        gates[at * kHidden + kUnits * 3u + q] = o;
      }
    }
    barrier();
  }

  // Past a sequence's end everything is zero.
  [[unroll]] for (uint b = 0u; b < kBatch; ++b)
    for (uint t = length[b]; t < steps && first + b < batch; ++t) {
      const uint at = ((first + b) * steps + t) * directions + d;
      for (uint u = lane(); u < kUnits; u += lanes()) {
        y[at * kUnits + u] = vec4(0.0);
        if (!kKeep) continue;
        cells[at * kUnits + u] = vec4(0.0);
        for (uint k = 0u; k < 4u; ++k) gates[(at * 4u + k) * kUnits + u] = vec4(0.0);
      }
    }
}
