#version 450
#extension GL_GOOGLE_include_directive : require

// One update of one parameter; the formulas stand in engine/kernels/optimizer.h.

#include "grid.glsl"

const uint kSgd = 0, kAdam = 1, kRmsProp = 2, kAdadelta = 3;

layout(constant_id = 1) const uint kMethod = 0;
layout(constant_id = 2) const bool kClipped = false;    // there is a gradient scale
layout(constant_id = 3) const bool kFirst = false;      // there is a first moment
layout(constant_id = 4) const bool kVariation = false;  // Nesterov's momentum; decoupled weight decay
layout(binding = 0) buffer Parameter { float parameter[]; };
layout(binding = 1) readonly buffer Gradient { float gradient[]; };
layout(binding = 2) buffer First { float first[]; };
layout(binding = 3) buffer Second { float second[]; };
layout(binding = 4) readonly buffer Hyper { float hyper[]; };  // learning rate, 1 - beta1^t, 1 - beta2^t
layout(binding = 5) readonly buffer GradientScale { float gradient_scale[]; };
layout(push_constant) uniform Push {
  uint count;
  float weight_decay;
  float a, rest_of_a;  // momentum, beta1 or decay, and 1 - a
  float b, rest_of_b;  // beta2
  float epsilon;
};

void main() {
  const uint i = invocation();
  if (i >= count) return;
  const float learning_rate = hyper[0];
  const float scale = kClipped ? gradient_scale[0] : 1.0;
  float p = parameter[i];
  if (scale == 0.0) return;
  float g = scale * gradient[i];
  if (kMethod != kAdam || !kVariation) g = fma(weight_decay, p, g);
  if (kMethod == kSgd) {
    const float v = kFirst ? fma(a, first[i], g) : g;
    if (kFirst) first[i] = v;
    p -= learning_rate * (kVariation ? fma(a, v, g) : v);
  } else if (kMethod == kAdam) {
    if (kVariation) p *= 1.0 - learning_rate * weight_decay;
    const float m = fma(a, first[i], rest_of_a * g), v = fma(b, second[i], rest_of_b * g * g);
    first[i] = m;
    second[i] = v;
    p -= learning_rate * (m / hyper[1]) / (sqrt(v / hyper[2]) + epsilon);
  } else if (kMethod == kRmsProp) {
    const float v = fma(b, second[i], rest_of_b * g * g);
    second[i] = v;
    float step = g / (sqrt(v) + epsilon);
    if (kFirst) {
      step = fma(a, first[i], step);
      first[i] = step;
    }
    p -= learning_rate * step;
  } else {
    const float v = fma(b, second[i], rest_of_b * g * g);
    const float step = sqrt(first[i] + epsilon) / sqrt(v + epsilon) * g;
    second[i] = v;
    first[i] = fma(b, first[i], rest_of_b * step * step);
    p -= learning_rate * step;
  }
  parameter[i] = p;
}
