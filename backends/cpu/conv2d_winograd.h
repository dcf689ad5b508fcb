#pragma once

// 3x3 convolutions by Winograd's method: a tile of m x n outputs from (m + 2)(n + 2) products for each pair
// of channels in place of 9 m n; 36 in place of 144 for 4x4.
//
//   V = B' d B    of the (m + 2) x (n + 2) inputs that a tile sees, for each tile and channel
//   U = G g G'    of the windows, for each pair of channels
//   M = V U       at each of the (m + 2)(n + 2) positions, a product of matrices [tiles, C] [C, O]
//   y = A' M A    for each tile and output channel
//
// Results differ from the direct sum's by rounding that the transforms enlarge: with s the sum of |x| |w|
// behind an output's tile, at most 4e-6 s for tiles of 4x4 and 1e-6 s for 2x2
// (tests/engine/cpu_winograd_test.cpp).

#include "backends/cpu/conv2d_algorithm.h"
#include "backends/cpu/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

/// winograd_tile(k.geometry) is there, and operands are f32.
void winograd_forward(const Conv2dForward& k, Context& context);
void winograd_backward_input(const Conv2dBackwardInput& k, Context& context);
void winograd_backward_weight(const Conv2dBackwardWeight& k, Context& context);

}  // namespace tapeline::cpu::TAPELINE_ISA
