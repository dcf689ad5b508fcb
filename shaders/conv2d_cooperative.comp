#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_spirv_intrinsics : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require

// As conv2d_shared.comp, by cooperative matrices: factors are rounded to fp16 on their way to shared memory. A
// workgroup is 2 x 2 subgroups, each with kDown x kAcross matrices of sums, and brings kDeep input channels at a
// time.

#include "activation.glsl"
#include "conv2d.glsl"
#include "conv2d_end.glsl"
#include "conv2d_source.glsl"
#include "cooperative_matrix.glsl"
#include "grid.glsl"

layout(constant_id = 10) const uint kDown = 2u;
layout(constant_id = 11) const uint kAcross = 2u;
layout(constant_id = 12) const uint kDeep = 16u;
layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 0) readonly buffer InputFours { vec4 x_fours[]; };
layout(binding = 1) readonly buffer Weight { float weight[]; };
layout(binding = 1) readonly buffer WeightFours { vec4 weight_fours[]; };

// Along channels everything is counted in fours. Two more in a row keep rows in different banks.
const uint kRows = 2u * kDown * kMatrixRows, kFours = 2u * kAcross * kMatrixColumns / 4u;
const uint kSteps = kDeep / 4u, kPitchA = kSteps + 2u, kPitchB = kFours + 2u, kPitchSum = kMatrixColumns / 4u;
const uint kOwn = (kRows * kSteps + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
shared f16vec4 a[kRows * kPitchA];
shared f16vec4 b[kDeep * kPitchB];
shared vec4 sums[4u * kMatrixRows * kPitchSum];  // a matrix of each subgroup, on its way out

vec4 input_of(uint pixel, uint c) {
  if (kInFours) return c < in_channels ? x_fours[(pixel * in_channels + c) / 4u] : vec4(0.0);
  vec4 loaded = vec4(0.0);
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    if (c + k < in_channels) loaded[k] = x[pixel * in_channels + c + k];
  return loaded;
}

vec4 weight_of(uint row, uint four) {
  if (kOutFours) return four * 4u < out_channels ? weight_fours[row * (out_channels / 4u) + four] : vec4(0.0);
  vec4 loaded = vec4(0.0);
  [[unroll]] for (uint k = 0u; k < 4u; ++k)
    if (four * 4u + k < out_channels) loaded[k] = weight[row * out_channels + four * 4u + k];
  return loaded;
}

void main() {
  const uint fours = (out_channels + 3u) / 4u, blocks = (fours + kFours - 1u) / kFours;
  const uint positions = batch * out_height * out_width;
  const uint first = group() / blocks * kRows, left = group() % blocks * kFours;
  if (first >= positions) return;
  const uint row = gl_SubgroupID / 2u * kDown * kMatrixRows;  // of this subgroup's matrices
  const uint column = gl_SubgroupID % 2u * kAcross * kPitchSum;

  ivec2 at[kOwn];  // the positions whose inputs this invocation brings
  uint image[kOwn];
  [[unroll]] for (uint p = 0u; p < kOwn; ++p) {
    const uint position = min(first + (lane() + p * lanes()) / kSteps, positions - 1u);
    at[p] = ivec2(position / out_width % out_height, position % out_width);
    image[p] = position / (out_width * out_height) * in_height;
  }
  MatrixSum sum[kDown * kAcross];
  [[unroll]] for (uint k = 0u; k < kDown * kAcross; ++k) sum[k] = filled_with(0.0);

  for (int i = 0; i < window_height; ++i)
    for (int j = 0; j < window_width; ++j) {
      ivec2 pixel[kOwn];
      [[unroll]] for (uint p = 0u; p < kOwn; ++p) pixel[p] = source(kBackward, at[p], i, j);
      for (uint c = 0u; c < in_channels; c += kDeep) {
        barrier();
        [[unroll]] for (uint p = 0u; p < kOwn; ++p) {
          const uint e = lane() + p * lanes(), step = e % kSteps;
          const uint from = (image[p] + uint(pixel[p].x)) * in_width + uint(pixel[p].y);
          const vec4 loaded = pixel[p].x >= 0 ? input_of(from, c + step * 4u) : vec4(0.0);
          if (e < kRows * kSteps) a[e / kSteps * kPitchA + step] = f16vec4(loaded);
        }
        for (uint e = lane(); e < kDeep * kFours; e += lanes()) {
          const uint k = e / kFours, four = e % kFours;
          const uint from = uint(i * window_width + j) * in_channels + c + k;
          const vec4 loaded = c + k < in_channels ? weight_of(from, left + four) : vec4(0.0);
          b[k * kPitchB + four] = f16vec4(loaded);
        }
        barrier();
        for (uint k = 0u; k < kDeep; k += kMatrixDeep) {
          MatrixA rows[kDown];
          [[unroll]] for (uint d = 0u; d < kDown; ++d)
            rows[d] = load_a(a[(row + d * kMatrixRows) * kPitchA + k / 4u], kRowMajor, kPitchA, kVisible, kWorkgroup);
          [[unroll]] for (uint q = 0u; q < kAcross; ++q) {
            const uint from = k * kPitchB + column + q * kPitchSum;
            const MatrixB columns = load_b(b[from], kRowMajor, kPitchB, kVisible, kWorkgroup);
            [[unroll]] for (uint d = 0u; d < kDown; ++d)
              sum[d * kAcross + q] = multiply_add(rows[d], columns, sum[d * kAcross + q]);
          }
        }
      }
    }

  const uint mine = gl_SubgroupID * kMatrixRows * kPitchSum;
  [[unroll]] for (uint d = 0u; d < kDown; ++d)
    [[unroll]] for (uint q = 0u; q < kAcross; ++q) {
      store(sums[mine], sum[d * kAcross + q], kRowMajor, kPitchSum, kAvailable, kWorkgroup);
      subgroupBarrier();
      for (uint e = gl_SubgroupInvocationID; e < kMatrixRows * kPitchSum; e += gl_SubgroupSize) {
        const uint position = first + row + d * kMatrixRows + e / kPitchSum;
        const uint four = left + column + q * kPitchSum + e % kPitchSum;
        if (position < positions && four < fours) finish(position, four, sums[mine + e]);
      }
      subgroupBarrier();
    }
}
