#pragma once

// Convolutions of one to four input channels, the first layer of a network: too few products for each output
// to gain from packed blocks. Each row of outputs is summed where it is, from a padded copy of the rows it
// sees.

#include "backends/cpu/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

[[gnu::always_inline]] inline bool is_narrow(const Conv2dGeometry& g) {
  return g.groups == 1 && g.in_channels <= 4 && g.window.height * g.window.width * g.in_channels <= 128;
}

/// is_narrow(k.geometry), and operands are f32.
void narrow_forward(const Conv2dForward& k, Context& context);

}  // namespace tapeline::cpu::TAPELINE_ISA
