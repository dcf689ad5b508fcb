#pragma once

#include "engine/tensor.h"

namespace tapeline {

/// x with zero in every column w >= widths[n], so that nothing right of an image's own width reaches it
/// through the next layer. x [N, H, W, C], widths i32 [N]. Differentiable in x. Throws when shapes, types or
/// devices do not fit.
Tensor mask_columns(const Tensor& x, const Tensor& widths);

}  // namespace tapeline
