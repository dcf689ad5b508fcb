#pragma once

#include "engine/nn/init.h"
#include "engine/nn/parameter.h"
#include "engine/ops/linear.h"

namespace tapeline {

/// activation(x weight + bias) over the innermost axis: [..., in] -> [..., out].
struct Linear {
  struct Spec {
    int in = 1, out = 1;
    bool bias = true;  // starts at zero
    Init weights = Init::glorot_uniform();
    Activation activation = {};
  };

  /// Throws unless both sizes are positive.
  Linear(const Device& device, Random& random, const Spec& spec);
  Tensor forward(const Tensor& x) const { return linear(x, weight, bias, activation); }
  void collect(const std::string& prefix, State& state) const;

  Tensor weight;  // [in, out]
  Tensor bias;    // [out], or undefined
  Activation activation;
};

}  // namespace tapeline
