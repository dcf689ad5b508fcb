#pragma once

#include <vector>

#include "engine/nn/dropout.h"
#include "engine/nn/lstm.h"

namespace tapeline {

/// LSTMs one on the other, each reading the sequence that the one below has written, with dropout between
/// them.
struct LstmStack {
  struct Spec {
    int in = 1, hidden = 1, layers = 1;
    LstmOptions options = {};  // of every layer
    float forget_bias = 1;
    float dropout = 0;               // of what one layer hands to the next; not of the last one's output
    std::uint32_t first_stream = 0;  // the layers - 1 dropouts take this stream and those after it
  };

  /// Throws unless there is a layer, and as Lstm does.
  LstmStack(const Device& device, Random& random, const Spec& spec);
  /// x [N, T, in] to [N, T, output_features()]. `state` is the shared i32 [3] of dropout_state(); it may be
  /// undefined where nothing is dropped.
  Tensor forward(const Tensor& x, bool training, const Tensor& state = {}, const Tensor& frames = {}) const;
  /// "0.w_ih", "0.w_hh", "0.bias", "1.w_ih", ...
  void collect(const std::string& prefix, State& state) const;
  int output_features() const { return layers.back().output_features(); }

  std::vector<Lstm> layers;
  float dropout = 0;
  std::uint32_t first_stream = 0;
};

}  // namespace tapeline
