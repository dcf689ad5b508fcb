// What follows the sums: a bias, what the output held, and an activation. Output channels come in fours, or
// are written one by one. Needs activation.glsl and conv2d.glsl.

layout(constant_id = 1) const uint kActivation = 0;
layout(constant_id = 2) const bool kBias = false;
layout(constant_id = 3) const bool kAccumulate = false;
layout(constant_id = 4) const bool kBackward = false;
layout(constant_id = 5) const bool kInFours = false;  // input channels come in fours, and are loaded so
layout(constant_id = 6) const bool kOutFours = false;
layout(binding = 2) readonly buffer Bias { float bias[]; };
layout(binding = 2) readonly buffer BiasFours { vec4 bias_fours[]; };
layout(binding = 3) buffer Output { float y[]; };
layout(binding = 3) buffer OutputFours { vec4 y_fours[]; };

void finish(uint position, uint four, vec4 sum) {
  if (kOutFours) {
    const uint to = position * (out_channels / 4u) + four;
    if (kBias) sum += bias_fours[four];
    if (kAccumulate) sum += y_fours[to];
    [[unroll]] for (uint k = 0u; k < 4u; ++k) sum[k] = activate(kActivation, slope, sum[k]);
    y_fours[to] = sum;
    return;
  }
  [[unroll]] for (uint k = 0u; k < 4u; ++k) {
    const uint o = four * 4u + k, to = position * out_channels + o;
    if (o >= out_channels) continue;
    float value = sum[k];
    if (kBias) value += bias[o];
    if (kAccumulate) value += y[to];
    y[to] = activate(kActivation, slope, value);
  }
}
