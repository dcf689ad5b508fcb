#version 450
#extension GL_GOOGLE_include_directive : require

// A copy of floats in fp16, rounded to nearest, ties to even (packHalf2x16() truncates on some drivers), four an
// invocation. With LANES it is for drivers on the processor, and reads texels:
// fours of them, or, where there is a rest, one by one.

#include "grid.glsl"

#ifdef LANES
layout(constant_id = 1) const bool kFours = false;
layout(binding = 0) uniform samplerBuffer x;
#else
layout(binding = 0) readonly buffer Input { vec4 x[]; };
#endif
layout(binding = 1) writeonly buffer Output { uvec2 y[]; };  // four in fp16
layout(push_constant) uniform Push { uint count; };          // of floats

vec4 load(uint four) {
#ifdef LANES
  if (kFours) return texelFetch(x, int(four));
  vec4 loaded;
  for (uint k = 0u; k < 4u; ++k) loaded[k] = texelFetch(x, int(min(four * 4u + k, count - 1u))).x;
  return loaded;
#else
  return x[four];
#endif
}

// As float_to_half() of engine/half.h.
uvec4 halves(vec4 x) {
  const uvec4 bits = floatBitsToUint(x), magnitude = bits & 0x7FFFFFFFu;
  const uvec4 usual = (magnitude - (112u << 23) + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
  const uvec4 small = floatBitsToUint(uintBitsToFloat(magnitude) + 0.5) - 0x3F000000u;
  uvec4 half_bits = mix(usual, small, lessThan(magnitude, uvec4(0x38800000u)));
  half_bits = mix(half_bits, uvec4(0x7C00u), greaterThanEqual(magnitude, uvec4(0x47800000u)));
  half_bits = mix(half_bits, uvec4(0x7E00u), greaterThan(magnitude, uvec4(0x7F800000u)));
  return half_bits | ((bits >> 16) & 0x8000u);
}

void main() {
  const uint four = invocation();
  if (four >= (count + 3u) / 4u) return;
  const uvec4 h = halves(load(four));
  y[four] = uvec2(h.x | (h.y << 16), h.z | (h.w << 16));
}
