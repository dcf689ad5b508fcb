#pragma once

// Every kernel as plain loops: no threads, no vector instructions, sums in double. Read these first; all
// other backends are compared with them. They work on any host memory.

#include "engine/kernels/kernel.h"

namespace tapeline::reference {

void run(const ActivationForward& kernel);
void run(const ActivationBackward& kernel);
void run(const BatchNormTraining& kernel);
void run(const BatchNormInference& kernel);
void run(const BatchNormBackward& kernel);
void run(const Cast& kernel);
void run(const Conv2dForward& kernel);
void run(const Conv2dBackwardInput& kernel);
void run(const Conv2dBackwardWeight& kernel);
void run(const Copy& kernel);
void run(const CtcLoss& kernel);
void run(const Dropout& kernel);
void run(const Binary& kernel);
void run(const Unary& kernel);
void run(const Fill& kernel);
void run(const Gemm& kernel);
void run(const LogSoftmaxForward& kernel);
void run(const LogSoftmaxBackward& kernel);
void run(const LstmForward& kernel);
void run(const LstmBackward& kernel);
void run(const MaskColumns& kernel);
void run(const MaxPool2dForward& kernel);
void run(const MaxPool2dBackward& kernel);
void run(const GlobalNorm& kernel);
void run(const SgdStep& kernel);
void run(const AdamStep& kernel);
void run(const RmsPropStep& kernel);
void run(const AdadeltaStep& kernel);
void run(const Reduce& kernel);

/// Whichever of these it is. Throws Error, naming the kernel, on element types that it does not take and when
/// memory runs out.
void run(const Kernel& kernel);

}  // namespace tapeline::reference
