#pragma once

#include <memory>
#include <string_view>

#include "engine/backend.h"

namespace tapeline {

/// What products of matrices and convolutions are computed with; sums are f32 in each case, and so is
/// everything else. tf32 keeps 10 bits of each factor, bf16 7, fp16 10 and a narrower range.
enum class CudaPrecision { fp32, tf32, bf16, fp16 };

/// Throws, naming those that there are, on any other.
CudaPrecision parse_cuda_precision(std::string_view text);
std::string_view name_of(CudaPrecision precision);

struct CudaOptions {
  int device = 0;
  CudaPrecision precision = CudaPrecision::fp32;
};

/// How many NVIDIA GPUs there are. Throws where none can be used, with the reason: no driver, one that is too
/// old, no card.
int count_cuda_devices();

/// An NVIDIA GPU. Throws where it cannot be used: as above, no such device, or a card that this program has
/// no kernels for. The environment variable TAPELINE_CUDA_WAIT=1 has it wait after each kernel, so that an
/// error names the kernel that made it.
std::shared_ptr<Backend> open_cuda(const CudaOptions& options = {});

}  // namespace tapeline
