#pragma once

#include "engine/nn/init.h"
#include "engine/nn/parameter.h"
#include "engine/ops/conv2d.h"

namespace tapeline {

/// Convolution of NHWC images with a learned kernel; see conv2d() for the formula.
struct Conv2d {
  struct Spec {
    int in = 1, out = 1;  // channels
    int height = 3, width = 3;
    bool bias = true;  // starts at zero
    Init weights = Init::glorot_uniform();
    Conv2dOptions options = {};
  };

  /// Throws unless every size is positive and the groups divide both channel counts.
  Conv2d(const Device& device, Random& random, const Spec& spec);
  Tensor forward(const Tensor& x) const { return conv2d(x, weight, bias, options); }
  void collect(const std::string& prefix, State& state) const;

  Tensor weight;  // [height, width, in / groups, out]
  Tensor bias;    // [out], or undefined
  Conv2dOptions options;
};

}  // namespace tapeline
