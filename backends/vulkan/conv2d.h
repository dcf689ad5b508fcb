#pragma once

#include "backends/vulkan/plan.h"

namespace tapeline::vulkan {

/// What follows the sums of a convolution or product.
struct ProductEnd {
  Operand bias;  // may be absent
  Activation activation;
  bool accumulate = false;  // onto what the output holds
};

/// output = end(input (*) weight); the product of matrices is a convolution with a window of 1 x 1.
void plan_tiles(const Conv2dGeometry& geometry, const Place& input, const Place& weight, const Place& output,
                const ProductEnd& end, Plan& plan);

/// The gradient in the input: grad_output (*) weight, gathered from every output that a pixel took part in.
void plan_tiles_backward(const Conv2dGeometry& geometry, const Place& grad_output, const Place& weight,
                         const Place& grad_input, const ProductEnd& end, Plan& plan);

/// Floats from pixel to pixel in memory, where there are more than channels; 0 where there are not.
struct Pitches {
  std::int64_t input = 0, output = 0;
};

/// The gradient in the weight and, where grad_bias is present, the bias.
void plan_weight_tiles(const Conv2dGeometry& geometry, const Place& input, const Place& grad_output,
                       const Place& grad_weight, const Place& grad_bias, Plan& plan,
                       const Pitches& pitches = {});

}  // namespace tapeline::vulkan
