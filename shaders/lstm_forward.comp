#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// Whole sequences in one dispatch: a workgroup keeps kBatch sequences of one direction to itself, so that
// nothing is ever exchanged between workgroups. At each step its lanes first compute the sums of the gates,
// four adjacent ones at a time for all sequences, then the units' states, which stay in shared memory.

#include "factors.glsl"

#include "grid.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint kBatch = 1;
layout(constant_id = 2) const uint kHidden = 1;
layout(constant_id = 3) const bool kFrames = false;
layout(constant_id = 4) const bool kKeep = false;  // gates and cells, for the way back
layout(binding = 0) readonly buffer GatesIn { vec4 gates_in[]; };  // [N, T, D, H] of four
layout(binding = 1) readonly buffer Weight { Factors w_hh[]; };    // [D, H, H] of four
layout(binding = 2) readonly buffer Frames { int frames[]; };
layout(binding = 3) writeonly buffer Output { float y[]; };     // [N, T, D, H]
layout(binding = 4) writeonly buffer Gates { float gates[]; };  // [N, T, D, 4, H]
layout(binding = 5) writeonly buffer Cells { float cells[]; };  // [N, T, D, H]
layout(push_constant) uniform Push {
  uint batch, steps, directions;
  uint reverse;
};

shared Factor h[kBatch * kHidden];
shared float cell[kBatch * kHidden], sums[kBatch * 4u * kHidden];

void main() {
  const uint d = group() % directions, first = group() / directions * kBatch;
  if (first >= batch) return;
  const bool backward = directions == 2u ? d == 1u : reverse != 0u;
  uint length[kBatch], longest = 0u;
  [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
    length[b] = first + b >= batch ? 0u : kFrames ? uint(clamp(frames[first + b], 0, int(steps))) : steps;
    longest = max(longest, length[b]);
  }
  for (uint i = lane(); i < kBatch * kHidden; i += lanes()) {
    h[i] = Factor(0.0);
    cell[i] = 0.0;
  }
  barrier();

  for (uint step = 0u; step < longest; ++step) {
    for (uint q = lane(); q < kHidden; q += lanes()) {
      vec4 sum[kBatch];
      [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
        const uint t = backward ? length[b] - 1u - step : step;
        sum[b] = step < length[b] ? gates_in[(((first + b) * steps + t) * directions + d) * kHidden + q] : vec4(0.0);
      }
      for (uint u = 0u; u < kHidden; ++u) {
        const vec4 w = vec4(w_hh[(d * kHidden + u) * kHidden + q]);
        [[unroll]] for (uint b = 0u; b < kBatch; ++b) sum[b] = fma(vec4(float(h[b * kHidden + u])), w, sum[b]);
      }
      [[unroll]] for (uint b = 0u; b < kBatch; ++b)
        for (uint k = 0u; k < 4u; ++k) sums[(b * kHidden + q) * 4u + k] = sum[b][k];
    }
    barrier();
    for (uint u = lane(); u < kHidden; u += lanes())
      [[unroll]] for (uint b = 0u; b < kBatch; ++b) {
        if (step >= length[b]) continue;
        const uint t = backward ? length[b] - 1u - step : step;
        const uint at = ((first + b) * steps + t) * directions + d, from = b * 4u * kHidden + u;
        const float i = sigmoid_of(sums[from]), f = sigmoid_of(sums[from + kHidden]);
        const float g = tanh_of(sums[from + 2u * kHidden]), o = sigmoid_of(sums[from + 3u * kHidden]);
        const float c = fma(f, cell[b * kHidden + u], i * g);
        const float result = o * tanh_of(c);
        cell[b * kHidden + u] = c;
        h[b * kHidden + u] = Factor(result);
        y[at * kHidden + u] = result;
        if (!kKeep) continue;
        cells[at * kHidden + u] = c;
        const uint to = at * 4u * kHidden + u;
        gates[to] = i;
        gates[to + kHidden] = f;
        gates[to + 2u * kHidden] = g;
        gates[to + 3u * kHidden] = o;
      }
    barrier();
  }

  // Past a sequence's end everything is zero.
  [[unroll]] for (uint b = 0u; b < kBatch; ++b)
    for (uint t = length[b]; t < steps && first + b < batch; ++t) {
      const uint at = ((first + b) * steps + t) * directions + d;
      for (uint u = lane(); u < kHidden; u += lanes()) {
        y[at * kHidden + u] = 0.0;
        if (!kKeep) continue;
        cells[at * kHidden + u] = 0.0;
        for (uint k = 0u; k < 4u; ++k) gates[(at * 4u + k) * kHidden + u] = 0.0;
      }
    }
}
