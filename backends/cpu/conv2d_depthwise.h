#pragma once

// Depthwise convolution, one channel in and one out for each group: no product of matrices, but sums over the
// taps that run along the channels.

#include "backends/cpu/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

[[gnu::always_inline]] inline bool is_depthwise(const Conv2dGeometry& g) {
  return g.groups == g.in_channels && g.groups == g.out_channels && g.groups > 1;
}

void depthwise_forward(const Conv2dForward& k, Context& context);
void depthwise_backward_input(const Conv2dBackwardInput& k, Context& context);
void depthwise_backward_weight(const Conv2dBackwardWeight& k, Context& context);

}  // namespace tapeline::cpu::TAPELINE_ISA
