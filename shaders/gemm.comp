#version 450
#extension GL_GOOGLE_include_directive : require

// One element an invocation: for shapes that no tile fits.

#include "factors.glsl"

#include "activation.glsl"
#include "grid.glsl"

layout(constant_id = 1) const uint kActivation = 0;
layout(constant_id = 2) const bool kTransposeA = false;
layout(constant_id = 3) const bool kTransposeB = false;
layout(constant_id = 4) const bool kBias = false;
layout(constant_id = 5) const bool kAccumulate = false;
layout(binding = 0) readonly buffer A { float a[]; };
layout(binding = 1) readonly buffer B { float b[]; };
layout(binding = 2) readonly buffer Bias { float bias[]; };
layout(binding = 3) buffer C { float c[]; };
layout(push_constant) uniform Push {
  uint rows, columns, inner;
  float slope;
};

void main() {
  const uint i = invocation();
  if (i >= rows * columns) return;
  const uint row = i / columns, column = i % columns;
  float sum = 0.0;
  for (uint k = 0u; k < inner; ++k) {
    const Factor of_a = Factor(a[kTransposeA ? k * rows + row : row * inner + k]);
    const Factor of_b = Factor(b[kTransposeB ? column * inner + k : k * columns + column]);
    sum = fma(float(of_a), float(of_b), sum);
  }
  if (kBias) sum += bias[column];
  if (kAccumulate) sum += c[i];
  c[i] = activate(kActivation, slope, sum);
}
