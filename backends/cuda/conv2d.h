#pragma once

#include "backends/cuda/context.h"
#include "engine/kernels/conv2d.h"

namespace tapeline::cuda {

/// Each output channel reads one input channel: no matrix product, see conv2d_depthwise.cu.
inline bool is_depthwise(const Conv2dGeometry& g) { return g.groups == g.in_channels && g.groups > 1; }

void depthwise_forward(const Conv2dForward& kernel, Context& context);
void depthwise_backward_input(const Conv2dBackwardInput& kernel, Context& context);
void depthwise_backward_weight(const Conv2dBackwardWeight& kernel, Context& context);

/// Whether gemm_pipeline.h can make this convolution's products: floats, whose channels come in eights.
/// `written` is what it writes, two floats at a time.
inline bool suits_pipeline(const Conv2dGeometry& g, const View& written) {
  return written.dtype == DType::f32 && g.in_channels / g.groups % 8 == 0 &&
         g.out_channels / g.groups % 8 == 0 && written.elements() > 0 &&
         reinterpret_cast<std::uintptr_t>(written.data<float>()) % 8 == 0;
}

/// Throws where an image batch has more pixels than an int counts.
void check_size(const Conv2dGeometry& geometry);

}  // namespace tapeline::cuda
