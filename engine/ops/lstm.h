#pragma once

#include "engine/tensor.h"

namespace tapeline {

enum class LstmMerge { concatenate, sum };

struct LstmOptions {
  int directions = 1;    // 1 or 2
  bool reverse = false;  // with one direction: from the end of each sequence to its beginning
  LstmMerge merge = LstmMerge::concatenate;  // of two directions
};

/// An LSTM over whole sequences (Hochreiter and Schmidhuber 1997, with forget gates), its state zero at the
/// start; engine/kernels/lstm.h has the formula.
///   x      [N, T, C]
///   w_ih   [C, D * 4H], the gates of each direction in the order i, f, g, o
///   w_hh   [D, H, 4H]
///   bias   [D * 4H], or undefined
///   frames i32 [N], each 0..T, optional: where each sequence ends; the backward direction starts there, and
///          the output past it is 0
///   output [N, T, D * H], forward first; [N, T, H] where directions are summed
/// Differentiable in x, w_ih, w_hh and bias. Throws when shapes, types or devices do not fit.
Tensor lstm(const Tensor& x, const Tensor& w_ih, const Tensor& w_hh, const Tensor& bias,
            const LstmOptions& options = {}, const Tensor& frames = {});

}  // namespace tapeline
