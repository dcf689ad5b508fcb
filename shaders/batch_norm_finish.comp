#version 450
#extension GL_GOOGLE_include_directive : require

// Puts the slabs' statistics together, one channel an invocation (Chan, Golub and LeVeque, "Updating formulae
// and a pairwise algorithm for computing sample variances", 1979), and moves the running ones.

#include "batch_norm.glsl"
#include "grid.glsl"

layout(constant_id = 1) const bool kRunningMean = false;
layout(constant_id = 2) const bool kRunningVariance = false;
layout(binding = 0) readonly buffer Partial { float partial[]; };  // [slabs, C, 3]
layout(binding = 1) buffer RunningMean { float running_mean[]; };
layout(binding = 2) buffer RunningVariance { float running_variance[]; };
layout(binding = 3) writeonly buffer Mean { float mean_of[]; };
layout(binding = 4) writeonly buffer InvDev { float inv_dev_of[]; };

void main() {
  const uint c = invocation();
  if (c >= channels) return;
  float count = 0.0, mean = 0.0, squares = 0.0;
  for (uint s = 0u; s < slabs; ++s) {
    const uint at = 3u * (s * channels + c);
    const float more = partial[at];
    if (more == 0.0) continue;
    const float distance = partial[at + 1u] - mean, all = count + more;
    mean = fma(distance, more / all, mean);
    squares += partial[at + 2u] + distance * distance * (count * more / all);
    count = all;
  }
  const float variance = count > 0.0 ? squares / count : 0.0;
  mean_of[c] = mean;
  inv_dev_of[c] = 1.0 / sqrt(variance + epsilon);
  if (count == 0.0) return;
  const float unbiased = count > 1.0 ? squares / (count - 1.0) : variance;
  if (kRunningMean) running_mean[c] = momentum * running_mean[c] + (1.0 - momentum) * mean;
  if (kRunningVariance) running_variance[c] = momentum * running_variance[c] + (1.0 - momentum) * unbiased;
}
