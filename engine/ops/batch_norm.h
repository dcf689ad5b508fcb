#pragma once

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace tapeline {

struct BatchNormOptions {
  float momentum = 0.9f;  // of the running statistics: the share of the old value, in [0, 1]
  float epsilon = 1e-5f;  // > 0
  Activation activation = {};
};

// Batch normalisation over the innermost axis of NHWC (Ioffe and Szegedy 2015):
//   y = activation((x - mean) / sqrt(variance + epsilon) * scale + offset)
//   input [N, H, W, C]; scale, offset [C], each may be undefined (1 and 0); running_mean, running_variance
//   [C] widths i32 [N], optional: only columns w < widths[n] count, the others of the output are zero
// Both throw when shapes, types or devices do not fit, or an option is out of its range.

/// Mean and (biased) variance are those of this batch; the gradient goes through them. Where the running
/// statistics are given, they are moved in place: running = momentum * running + (1 - momentum) * batch, the
/// variance unbiased, as PyTorch has it. Differentiable in input, scale and offset.
Tensor batch_norm_training(const Tensor& input, const Tensor& scale, const Tensor& offset,
                           const Tensor& running_mean, const Tensor& running_variance,
                           const BatchNormOptions& options = {}, const Tensor& widths = {});

/// Mean and variance are the running ones, which are constants here. Differentiable in input, scale and
/// offset, so that a frozen batch norm can be trained through; `momentum` is not used.
Tensor batch_norm_inference(const Tensor& input, const Tensor& scale, const Tensor& offset,
                            const Tensor& running_mean, const Tensor& running_variance,
                            const BatchNormOptions& options = {}, const Tensor& widths = {});

}  // namespace tapeline
