#pragma once

#include "engine/nn/parameter.h"
#include "engine/ops/batch_norm.h"

namespace tapeline {

/// Batch normalisation over the innermost axis of NHWC, with running statistics for inference.
struct BatchNorm {
  struct Spec {
    int channels = 1;
    bool scale = true, offset = true;  // start at one and zero
    BatchNormOptions options = {};
  };

  /// Throws unless there are channels.
  BatchNorm(const Device& device, const Spec& spec);
  /// Training: statistics of this batch, and the running ones are moved. Otherwise: the running ones.
  /// `widths`, i32 [N]: columns that count, see batch_norm_training().
  Tensor forward(const Tensor& x, bool training, const Tensor& widths = {}) const;
  void collect(const std::string& prefix, State& state) const;

  Tensor scale, offset;                   // [channels], each may be undefined
  Tensor running_mean, running_variance;  // [channels], start at zero and one
  BatchNormOptions options;
};

}  // namespace tapeline
