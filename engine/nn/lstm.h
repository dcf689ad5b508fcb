#pragma once

#include "engine/nn/init.h"
#include "engine/nn/parameter.h"
#include "engine/ops/lstm.h"

namespace tapeline {

/// A recurrent layer over whole sequences, in one direction or two; see lstm() for the formula.
struct Lstm {
  struct Spec {
    int in = 1, hidden = 1;
    LstmOptions options = {};  // directions, reverse, merge
    float forget_bias = 1;     // initial bias of the forget gate; the others start at zero
  };

  /// Each gate of each direction starts with an input matrix of its own, [in, hidden] after Glorot, and an
  /// orthogonal recurrent one. Throws unless the sizes are positive and directions is 1 or 2.
  Lstm(const Device& device, Random& random, const Spec& spec);
  /// x [N, T, in] to [N, T, output_features()]; `frames`, i32 [N], optional: the sequences' own lengths.
  Tensor forward(const Tensor& x, const Tensor& frames = {}) const {
    return lstm(x, w_ih, w_hh, bias, options, frames);
  }
  void collect(const std::string& prefix, State& state) const;
  int output_features() const;

  Tensor w_ih;  // [in, directions * 4 * hidden], gates in the order i, f, g, o
  Tensor w_hh;  // [directions, hidden, 4 * hidden]
  Tensor bias;  // [directions * 4 * hidden]
  LstmOptions options;
};

}  // namespace tapeline
