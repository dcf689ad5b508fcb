#pragma once

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

/// Connectionist temporal classification (Graves et al. 2006): loss[n] = -ln p(labels[n] |
/// softmax(logits[n])), and its gradient in the logits, softmax - (posterior of each class at each frame), in
/// log space. Log-softmax is part of it. A label that cannot be aligned (label_length + adjacent repeats >
/// frames, or only over logits of -infinity) has loss +infinity and gradient 0; so has one with a class
/// outside [0, C) or equal to blank. An image with 0 frames and an empty label has loss 0. Frames t >=
/// frames[n] are not read, and their gradient is 0. The gradient is not scaled.
struct CtcLoss {
  static constexpr std::string_view name = "ctc_loss";
  View logits;         // [N, T, C]
  View labels;         // i32 [N, L], what lies past the label's length is not read; L may be 0
  View label_lengths;  // i32 [N], 0..L
  View frames;         // i32 [N], 0..T; optional: T for all
  View loss;           // [N]
  View grad_logits;    // [N, T, C], optional
  int blank = 0;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(logits), in(labels), in(label_lengths), in(frames), out(loss), out(grad_logits);
  }
  double flops() const { return 10.0 * static_cast<double>(logits.elements()); }
};

}  // namespace tapeline
