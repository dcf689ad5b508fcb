#version 450
#extension GL_GOOGLE_include_directive : require

// Philox 4x32-10, as in engine/random.h: the mask is a function of seed, step, stream and element alone.

#include "grid.glsl"

layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer State { uint state[]; };  // seed low, seed high, step
layout(binding = 2) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint count;
  uint first_four;  // of all the elements, where these begin
  uint stream;
  float rate;
  float kept;  // 1 - rate
};

uvec4 philox(uvec4 counter, uvec2 key) {
  for (int round = 0; round < 10; ++round) {
    uvec2 a, b;  // high and low words of the products
    umulExtended(0xD2511F53u, counter.x, a.x, a.y);
    umulExtended(0xCD9E8D57u, counter.z, b.x, b.y);
    counter = uvec4(b.x ^ counter.y ^ key.x, b.y, a.x ^ counter.w ^ key.y, a.y);
    key += uvec2(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

void main() {
  const uint block = invocation();
  if (block * 4u >= count) return;
  const uvec4 words = philox(uvec4(first_four + block, state[2], stream, 0u), uvec2(state[0], state[1]));
  for (uint k = 0u; k < 4u; ++k) {
    const uint i = block * 4u + k;
    if (i < count) y[i] = float(words[k] >> 8) * 5.9604644775390625e-8 >= rate ? x[i] / kept : 0.0;
  }
}
