#pragma once

// Batch normalisation over the innermost axis of NHWC (Ioffe and Szegedy 2015). Rows are the N*H*W positions;
// with `widths` only columns w < widths[n] count and are written, the others of the output (and of
// grad_input) become zero. y = activation((x - mean) * inv_dev * scale + offset), inv_dev = 1 / sqrt(variance
// + epsilon), biased variance.
//
// In training, max pooling may come behind the activation in the same kernel, so that what it reads is never
// written to memory: where `choice` is present, what leaves the kernel, and what comes back, is pooled,
// [N, H', W', C], as MaxPool2dForward does it with these widths and this window, whose strides are its own
// size. Only devices whose Backend::fuses_pooling() says so are given such kernels.

#include <string_view>

#include "engine/kernels/activation.h"
#include "engine/kernels/conv2d.h"
#include "engine/storage.h"

namespace tapeline {

/// Takes the statistics from the batch, saves them, and moves the running ones:
/// running = momentum * running + (1 - momentum) * batch, with the unbiased variance (n / (n - 1)), as
/// PyTorch has it. Over one row the variance is 0, the unbiased one too; over none mean and variance are 0
/// and the running ones stay.
struct BatchNormTraining {
  static constexpr std::string_view name = "batch_norm_training";
  View input;                           // [N, H, W, C]
  View widths;                          // i32 [N], optional
  View scale, offset;                   // [C], both optional
  View running_mean, running_variance;  // [C], read and written; both optional
  View output;                          // [N, H, W, C]; pooled: [N, H', W', C]
  View mean, inv_dev;                   // [C], of this batch
  float epsilon = 1e-5f, momentum = 0.9f;
  Activation activation;
  View choice = {};  // u8 [N, H', W', C] where pooling follows, else absent
  Window2d pool = {};

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), in(widths), in(scale), in(offset), in(running_mean), in(running_variance);
    out(running_mean), out(running_variance), out(output), out(mean), out(inv_dev), out(choice);
  }
  double flops() const { return 7.0 * static_cast<double>(input.elements()); }
};

struct BatchNormInference {
  static constexpr std::string_view name = "batch_norm_inference";
  View input, widths, scale, offset;    // as above
  View running_mean, running_variance;  // [C]
  View output;
  float epsilon = 1e-5f;
  Activation activation;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), in(widths), in(scale), in(offset), in(running_mean), in(running_variance), out(output);
  }
  double flops() const { return 3.0 * static_cast<double>(input.elements()); }
};

/// The way back through BatchNormTraining, its activation included. With g = grad_output *
/// activation'(output) and x^ = (x - mean) * inv_dev over n rows: grad_offset = sum g, grad_scale = sum g x^,
/// grad_input = scale * inv_dev * (g - grad_offset / n - x^ * grad_scale / n). With pooling, grad_output
/// first goes to the pixels that won (MaxPool2dBackward). grad_input may be input, and grad_output where that
/// is not pooled.
struct BatchNormBackward {
  static constexpr std::string_view name = "batch_norm_backward";
  View input, widths, scale, mean, inv_dev;  // as above
  View output;                               // present where there is an activation; pooled where that is
  View grad_output;                          // the same
  View grad_input, grad_scale, grad_offset;  // each optional
  Activation activation;
  View choice = {};  // u8 [N, H', W', C] where pooling followed, else absent
  Window2d pool = {};

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input), in(widths), in(scale), in(mean), in(inv_dev), in(output), in(grad_output), in(choice);
    out(grad_input), out(grad_scale), out(grad_offset);
  }
  double flops() const { return 10.0 * static_cast<double>(input.elements()); }
};

}  // namespace tapeline
