#pragma once

// 3x3 convolutions by Winograd's method: a tile of m x n outputs from (m + 2)(n + 2) products for each pair
// of channels in place of 9 m n; 36 in place of 144 for 4x4.
//
//   V = B' d B    of the (m + 2) x (n + 2) inputs that a tile sees, for each tile and channel
//   U = G g G'    of the windows, for each pair of channels
//   M = V U       at each of the (m + 2)(n + 2) positions, a product of matrices [tiles, C] [C, O]
//   y = A' M A    for each tile and output channel
//
// The transforms enlarge rounding errors. In fp32 a result is within 2e-6 s of the exact one, with s the
// largest sum of |x| |w| behind any output (tests/engine/cpu_winograd_test.cpp finds .6e-6). In bf16 V and U
// are rounded, and the bounds are 1.5e-2 s, and 4e-2 s for the gradient of the weights, with its tiles of
// 4x4; in the mean the error of a result is .6 % of the results' spread with tiles of 4x2, 1.1 % with 4x4, .4
// % with 2x2, and .23 % where the factors themselves are rounded. A value that is not finite spoils its whole
// tile.

#include "backends/cpu/conv2d_algorithm.h"
#include "backends/cpu/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

/// winograd_tile(k.geometry) is there, and operands are f32.
void winograd_forward(const Conv2dForward& k, Context& context);
void winograd_backward_input(const Conv2dBackwardInput& k, Context& context);
void winograd_backward_weight(const Conv2dBackwardWeight& k, Context& context);

}  // namespace tapeline::cpu::TAPELINE_ISA
