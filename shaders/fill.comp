#version 450
#extension GL_GOOGLE_include_directive : require

// Words of four bytes. An f64 takes two; narrower types repeat in one, and the last word keeps the bytes that
// are not of the output.

#include "grid.glsl"

layout(binding = 0) buffer Output { uint y[]; };
layout(push_constant) uniform Push {
  uint words;
  uint even, odd;       // what even and odd words become
  uint last_word_mask;  // bits of the last word that are the output's
};

void main() {
  const uint i = invocation();
  if (i >= words) return;
  const uint value = i % 2 == 0 ? even : odd;
  y[i] = i + 1 < words ? value : (value & last_word_mask) | (y[i] & ~last_word_mask);
}
