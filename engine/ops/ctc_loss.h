#pragma once

#include "engine/tensor.h"

namespace tapeline {

/// Connectionist temporal classification (Graves et al. 2006): loss[n] = -ln p(labels[n] |
/// softmax(logits[n])), summed over all alignments; log-softmax is part of it.
///   logits        [N, T, C]
///   labels        i32 [N, L]; what lies past a label's length is not read
///   label_lengths i32 [N], each 0..L
///   frames        i32 [N], each 0..T, optional: T for all
///   loss          [N], not divided by anything
/// A label that cannot be aligned (length + adjacent repeats > frames), or that holds a class outside [0, C)
/// or the blank, has loss +infinity and gradient 0: find and leave out such images before they come here.
/// Differentiable in logits; the gradient is computed on the way forward, together with the loss. Throws when
/// shapes, types or devices do not fit, or blank is not in [0, C).
Tensor ctc_loss(const Tensor& logits, const Tensor& labels, const Tensor& label_lengths,
                const Tensor& frames = {}, int blank = 0);

}  // namespace tapeline
