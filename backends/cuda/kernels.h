#pragma once

// Every kernel of the engine. Each file of these names has the code that runs on the device and, below it,
// the function that starts it. They return at once; what they read and write is on the context's stream.

#include "backends/cuda/context.h"
#include "engine/kernels/kernel.h"

namespace tapeline::cuda {

void run(const ActivationForward& kernel, Context& context);
void run(const ActivationBackward& kernel, Context& context);
void run(const BatchNormTraining& kernel, Context& context);
void run(const BatchNormInference& kernel, Context& context);
void run(const BatchNormBackward& kernel, Context& context);
void run(const Cast& kernel, Context& context);
void run(const Conv2dForward& kernel, Context& context);
void run(const Conv2dBackwardInput& kernel, Context& context);
void run(const Conv2dBackwardWeight& kernel, Context& context);
void run(const Copy& kernel, Context& context);
void run(const CtcLoss& kernel, Context& context);
void run(const Dropout& kernel, Context& context);
void run(const Binary& kernel, Context& context);
void run(const Unary& kernel, Context& context);
void run(const Fill& kernel, Context& context);
void run(const Gemm& kernel, Context& context);
void run(const LogSoftmaxForward& kernel, Context& context);
void run(const LogSoftmaxBackward& kernel, Context& context);
void run(const LstmForward& kernel, Context& context);
void run(const LstmBackward& kernel, Context& context);
void run(const MaskColumns& kernel, Context& context);
void run(const MaxPool2dForward& kernel, Context& context);
void run(const MaxPool2dBackward& kernel, Context& context);
void run(const GlobalNorm& kernel, Context& context);
void run(const SgdStep& kernel, Context& context);
void run(const AdamStep& kernel, Context& context);
void run(const RmsPropStep& kernel, Context& context);
void run(const AdadeltaStep& kernel, Context& context);
void run(const Reduce& kernel, Context& context);

/// Whether this program holds kernels that the current device can run: cudaErrorNoKernelImageForDevice where
/// not.
cudaError_t find_kernels();

}  // namespace tapeline::cuda
