#pragma once

#include <memory>

#include "engine/backend.h"

namespace tapeline {

struct CudaOptions {
  int device = 0;
  Precision precision = Precision::fp32;
};

/// How many NVIDIA GPUs there are. Throws where none can be used, with the reason: no driver, one that is too
/// old, no card.
int count_cuda_devices();

/// An NVIDIA GPU. Throws where it cannot be used: as above, no such device, or a card that this program has
/// no kernels for, or that lacks the units for a precision. The environment variable TAPELINE_CUDA_WAIT=1 has
/// it wait after each kernel, so that an error names the kernel that made it.
std::shared_ptr<Backend> open_cuda(const CudaOptions& options = {});

}  // namespace tapeline
