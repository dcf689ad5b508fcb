#version 450
#extension GL_GOOGLE_include_directive : require

#include "grid.glsl"
#include "math.glsl"

const uint kAffine = 0, kExp = 1, kLog = 2, kSqrt = 3, kSquare = 4, kReciprocal = 5, kAbs = 6,
           kSign = 7;  // as in UnaryKind

layout(constant_id = 1) const uint kKind = 0;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint count;
  float scale, offset;
};

float apply(float v) {
  switch (kKind) {
    case kExp:
      return exp_of(v);
    case kLog:
      return log_of(v);
    case kSqrt:
      return sqrt(v);
    case kSquare:
      return v * v;
    case kReciprocal:
      return 1.0 / v;
    case kAbs:
      return abs(v);
    case kSign:
      return v > 0.0 ? 1.0 : v < 0.0 ? -1.0 : 0.0;
  }
  return v * scale + offset;
}

void main() {
  const uint i = invocation();
  if (i < count) y[i] = apply(x[i]);
}
