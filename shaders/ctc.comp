#version 450
#extension GL_GOOGLE_include_directive : require

// Connectionist temporal classification of one image, by one workgroup, in log space (Graves et al. 2006,
// section 4.1; backends/reference/ctc.cpp has it in plain loops). Lanes take states. Paths are followed
// forward (alpha, kept), then backward (beta, of one frame only), and each frame's posterior probabilities give
// its gradient. States of one class form a chain, which one lane adds up: no order is left to chance.
//
// Paths add up the logits as they are: what normalises them is the same for all paths, so only the loss needs
// it. The sums are pairs (exact_sum.glsl), since long paths have small differences between large sums.

#include "exact_sum.glsl"
#include "grid.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint kStates = 1;  // 2 L + 1
layout(constant_id = 2) const bool kFrames = false;
layout(constant_id = 3) const bool kGradient = false;
layout(binding = 0) readonly buffer Logits { float logits[]; };  // [N, T, C]
layout(binding = 1) readonly buffer Labels { int labels[]; };
layout(binding = 2) readonly buffer Lengths { int label_lengths[]; };
layout(binding = 3) readonly buffer Frames { int frames_of[]; };
layout(binding = 4) writeonly buffer Loss { float loss[]; };
layout(binding = 5) coherent buffer Gradient { float gradient[]; };
layout(binding = 6) buffer Alpha { vec2 alpha[]; };            // [N, T, kStates]; a lane reads what it wrote itself
layout(binding = 7) coherent buffer Totals { vec2 totals[]; };  // [N, T]: ln sum exp of the logits, as largest + rest
layout(push_constant) uniform Push {
  uint batch, steps, classes, label_extent;
  int blank;
};

#define kNever (-kInfinity)  // ln 0
const uint kEnd = 0xFFFFFFFFu;

shared vec2 row[2][kStates];
shared float posterior[kStates];
shared int class_of[kStates];
shared uint next_same[kStates];  // the next state of the same class
shared uint is_head[kStates];    // no state before it has that class
shared uint unreadable;

const vec2 kZero = vec2(0.0);

vec2 never() { return vec2(kNever, 0.0); }

vec2 times(vec2 path, float logit) {
  return path.x == kNever || logit == kNever ? never() : add_exactly(path, logit);
}

vec2 log_add(vec2 a, vec2 b, vec2 c) {
  vec2 largest = a.x >= b.x ? a : b;
  if (c.x > largest.x) largest = c;
  if (largest.x == kNever) return never();
  const vec2 p = a - largest, q = b - largest, r = c - largest;
  return add_exactly(largest, log_of(exp_of(p.x + p.y) + exp_of(q.x + q.y) + exp_of(r.x + r.y)));
}

void clear(uint n, uint from) {
  if (!kGradient) return;
  for (uint i = from * classes + lane(); i < steps * classes; i += lanes()) gradient[n * steps * classes + i] = 0.0;
}

void main() {
  const uint n = group();
  if (n >= batch) return;
  const uint frames = kFrames ? uint(clamp(frames_of[n], 0, int(steps))) : steps;
  const uint length = uint(clamp(label_lengths[n], 0, int(label_extent))), states = 2u * length + 1u;
  if (lane() == 0u) unreadable = 0u;
  barrier();
  for (uint s = lane(); s < states; s += lanes()) {
    const int c = s % 2u == 0u ? blank : labels[n * label_extent + s / 2u];
    class_of[s] = c;
    if (s % 2u == 1u && (c < 0 || c >= int(classes) || c == blank)) atomicOr(unreadable, 1u);
  }
  barrier();
  if (unreadable != 0u || frames == 0u) {
    if (lane() == 0u) loss[n] = unreadable == 0u && length == 0u ? 0.0 : kInfinity;
    clear(n, 0u);
    return;
  }
  for (uint s = lane(); s < states; s += lanes()) {
    is_head[s] = 1u;
    for (uint before = s; before-- > 0u;)
      if (class_of[before] == class_of[s]) is_head[s] = 0u;
    next_same[s] = kEnd;
    for (uint after = states - 1u; after > s; --after)
      if (class_of[after] == class_of[s]) next_same[s] = after;
  }

  const uint base = n * steps * classes, alpha_base = n * steps * kStates;
  for (uint t = lane(); t < frames; t += lanes()) {
    float largest = kNever, sum = 0.0;
    for (uint c = 0u; c < classes; ++c) largest = max(largest, logits[base + t * classes + c]);
    for (uint c = 0u; c < classes; ++c) sum += exp_of(logits[base + t * classes + c] - largest);
    totals[n * steps + t] = vec2(largest, log_of(sum));
  }
  for (uint t = 0u; t < frames; ++t) {
    for (uint s = lane(); s < states; s += lanes()) {
      vec2 sum = t == 0u && s < 2u ? kZero : never();
      if (t > 0u) {
        const uint before = (t - 1u) % 2u;
        const bool jumps = s >= 2u && class_of[s] != blank && class_of[s] != class_of[s - 2u];
        sum = log_add(row[before][s], s >= 1u ? row[before][s - 1u] : never(), jumps ? row[before][s - 2u] : never());
      }
      sum = times(sum, logits[base + t * classes + uint(class_of[s])]);
      row[t % 2u][s] = sum;
      alpha[alpha_base + t * kStates + s] = sum;
    }
    memoryBarrierBuffer();
    barrier();
  }
  const uint last = (frames - 1u) % 2u;
  const vec2 label = log_add(row[last][states - 1u], states > 1u ? row[last][states - 2u] : never(), never());
  const bool possible = label.x != kNever;
  if (lane() == 0u) {
    vec2 sum = -label;
    for (uint t = 0u; t < frames; ++t) sum = add_exactly(sum, totals[n * steps + t]);
    loss[n] = possible ? rounded(sum) : kInfinity;
  }
  if (!possible) clear(n, 0u);
  if (!kGradient || !possible) return;
  barrier();

  for (uint t = frames; t-- > 0u;) {
    const uint frame = base + t * classes;
    for (uint s = lane(); s < states; s += lanes()) {
      vec2 beta = t == frames - 1u && s + 2u >= states ? kZero : never();
      if (t < frames - 1u) {
        const uint after = (t + 1u) % 2u, next = frame + classes;
        const bool jumps = s + 2u < states && class_of[s + 2u] != blank && class_of[s + 2u] != class_of[s];
        beta = log_add(times(row[after][s], logits[next + uint(class_of[s])]),
                       s + 1u < states ? times(row[after][s + 1u], logits[next + uint(class_of[s + 1u])]) : never(),
                       jumps ? times(row[after][s + 2u], logits[next + uint(class_of[s + 2u])]) : never());
      }
      row[t % 2u][s] = beta;
      const vec2 through = alpha[alpha_base + t * kStates + s];
      posterior[s] = through.x == kNever || beta.x == kNever
                         ? 0.0
                         : exp_of(rounded(add_exactly(add_exactly(through, beta), -label)));
    }
    const vec2 total = totals[n * steps + t];
    for (uint c = lane(); c < classes; c += lanes())
      gradient[frame + c] = exp_of((logits[frame + c] - total.x) - total.y);
    memoryBarrierBuffer();
    barrier();
    for (uint s = lane(); s < states; s += lanes()) {
      if (is_head[s] == 0u) continue;
      float sum = 0.0;
      for (uint same = s; same != kEnd; same = next_same[same]) sum += posterior[same];
      gradient[frame + uint(class_of[s])] -= sum;
    }
    barrier();
  }
  clear(n, frames);
}
