// Activations by their number in ActivationKind, and their slopes taken from what came out.

#include "math.glsl"

const uint kNone = 0, kRelu = 1, kRelu6 = 2, kLeakyRelu = 3, kSigmoid = 4, kTanh = 5;

float activate(uint kind, float slope, float x) {
  switch (kind) {
    case kRelu:
      return x < 0.0 ? 0.0 : x;
    case kRelu6:
      return x < 0.0 ? 0.0 : x > 6.0 ? 6.0 : x;
    case kLeakyRelu:
      return x < 0.0 ? slope * x : x;
    case kSigmoid:
      return sigmoid_of(x);
    case kTanh:
      return tanh_of(x);
  }
  return x;
}

float activation_slope(uint kind, float slope, float y) {
  switch (kind) {
    case kRelu:
      return y > 0.0 ? 1.0 : 0.0;
    case kRelu6:
      return y > 0.0 && y < 6.0 ? 1.0 : 0.0;
    case kLeakyRelu:
      return y > 0.0 ? 1.0 : slope;
    case kSigmoid:
      return y * (1.0 - y);
    case kTanh:
      return fma(-y, y, 1.0);
  }
  return 1.0;
}
