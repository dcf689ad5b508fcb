#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_spirv_intrinsics : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require

// As conv2d_shared_weight.comp, by cooperative matrices (see conv2d_cooperative.comp): rows are input channels,
// columns are output channels, and kDeep positions at a time are brought to shared memory. The last rows are the
// biases', whose input is 1.

#include "conv2d.glsl"
#include "cooperative_matrix.glsl"
#include "grid.glsl"

layout(constant_id = 1) const bool kInFours = false;
layout(constant_id = 2) const bool kOutFours = false;
layout(constant_id = 3) const bool kDirect = false;  // one slab, written to where it belongs
layout(constant_id = 10) const uint kDown = 2u;
layout(constant_id = 11) const uint kAcross = 2u;
layout(constant_id = 12) const uint kDeep = 16u;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 0) readonly buffer InputFours { vec4 x_fours[]; };
layout(binding = 1) readonly buffer GradOutput { float dy[]; };
layout(binding = 1) readonly buffer GradOutputFours { vec4 dy_fours[]; };
layout(binding = 2) writeonly buffer Partial { float partial[]; };  // [slabs, window * C + 1, O]
layout(binding = 3) writeonly buffer Bias { float bias[]; };

// Channels are counted in fours. Two more in a row keep rows in different banks.
const uint kHeight = 2u * kDown * kMatrixRows / 4u, kWidth = 2u * kAcross * kMatrixColumns / 4u;
const uint kPitchA = kHeight + 2u, kPitchB = kWidth + 2u, kPitchSum = kMatrixColumns / 4u;
shared f16vec4 a[kDeep * kPitchA];
shared f16vec4 b[kDeep * kPitchB];
shared vec4 sums[4u * kMatrixRows * kPitchSum];  // a matrix of each subgroup, on its way out

vec4 input_of(uint pixel, uint c) {
  if (kInFours) return c < in_channels ? x_fours[(pixel * in_pitch + c) / 4u] : vec4(0.0);
  vec4 loaded = vec4(0.0);
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    if (c + k < in_channels) loaded[k] = x[pixel * in_pitch + c + k];
  return loaded;
}

vec4 grad_of(uint position, uint o) {
  if (kOutFours) return o < out_channels ? dy_fours[(position * out_pitch + o) / 4u] : vec4(0.0);
  vec4 loaded = vec4(0.0);
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    if (o + k < out_channels) loaded[k] = dy[position * out_pitch + o + k];
  return loaded;
}

void main() {
  const uint blocks = (out_channels + kWidth * 4u - 1u) / (kWidth * 4u);
  const uint row_blocks = (in_channels + kHeight * 4u - 1u) / (kHeight * 4u);
  const uint rows = uint(window_height * window_width) * row_blocks + 1u;
  const uint row = group() / blocks % rows, s = group() / (blocks * rows);
  if (s >= slabs) return;
  const bool of_bias = row == rows - 1u;
  const uint c = of_bias ? 0u : row % row_blocks * kHeight * 4u, left = group() % blocks * kWidth * 4u;
  const int j = int(row / row_blocks) % window_width, i = int(row / row_blocks) / window_width;
  const uint down = gl_SubgroupID / 2u * kDown * kMatrixRows;  // of this subgroup's matrices
  const uint across = gl_SubgroupID % 2u * kAcross * kMatrixColumns;
  MatrixSum sum[kDown * kAcross];
  [[unroll]] for (uint k = 0u; k < kDown * kAcross; ++k) sum[k] = filled_with(0.0);

  const uint end = min((s + 1u) * slab, batch * out_height * out_width);
  for (uint p = s * slab; p < end; p += kDeep) {
    barrier();
    for (uint e = lane(); e < kDeep * kHeight; e += lanes()) {
      const uint k = e / kHeight, four = e % kHeight, position = p + k;
      const int u = int(position % out_width) * stride_w - pad_left + j * dilation_w;
      const int v = int(position / out_width % out_height) * stride_h - pad_top + i * dilation_h;
      const bool there = position < end && v >= 0 && v < int(in_height) && u >= 0 && u < int(in_width);
      const uint pixel = (position / (out_width * out_height) * in_height + uint(v)) * in_width + uint(u);
      vec4 value = vec4(0.0);
      if (of_bias)
        value.x = four == 0u && position < end ? 1.0 : 0.0;
      else if (there)
        value = input_of(pixel, c + four * 4u);
      a[k * kPitchA + four] = f16vec4(value);
    }
    for (uint e = lane(); e < kDeep * kWidth; e += lanes()) {
      const uint k = e / kWidth, four = e % kWidth;
      b[k * kPitchB + four] = f16vec4(p + k < end ? grad_of(p + k, left + four * 4u) : vec4(0.0));
    }
    barrier();
    for (uint k = 0u; k < kDeep; k += kMatrixDeep) {
      MatrixA inputs[kDown];
      [[unroll]] for (uint d = 0u; d < kDown; ++d)
        inputs[d] = load_a(a[k * kPitchA + (down + d * kMatrixRows) / 4u], kColumnMajor, kPitchA, kVisible, kWorkgroup);
      [[unroll]] for (uint q = 0u; q < kAcross; ++q) {
        const MatrixB grads =
            load_b(b[k * kPitchB + across / 4u + q * kPitchSum], kRowMajor, kPitchB, kVisible, kWorkgroup);
        [[unroll]] for (uint d = 0u; d < kDown; ++d)
          sum[d * kAcross + q] = multiply_add(inputs[d], grads, sum[d * kAcross + q]);
      }
    }
  }

  const uint weights = uint(window_height * window_width) * in_channels;
  const uint first = of_bias ? weights : row / row_blocks * in_channels + c;
  const uint count = of_bias ? 1u : min(kHeight * 4u, in_channels - c);
  const uint mine = gl_SubgroupID * kMatrixRows * kPitchSum;
  [[unroll]] for (uint d = 0u; d < kDown; ++d)
    [[unroll]] for (uint q = 0u; q < kAcross; ++q) {
      store(sums[mine], sum[d * kAcross + q], kRowMajor, kPitchSum, kAvailable, kWorkgroup);
      subgroupBarrier();
      for (uint e = gl_SubgroupInvocationID; e < kMatrixRows * kMatrixColumns; e += gl_SubgroupSize) {
        const uint r = down + d * kMatrixRows + e / kMatrixColumns;
        const uint o = left + across + q * kMatrixColumns + e % kMatrixColumns;
        if (r >= count || o >= out_channels) continue;
        const float value = sums[mine + e / 4u][e % 4u];
        if (of_bias && kDirect)
          bias[o] = value;
        else
          partial[(s * (weights + 1u) + first + r) * out_channels + o] = value;
      }
      subgroupBarrier();
    }
}
