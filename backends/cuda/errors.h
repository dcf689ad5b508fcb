#pragma once

// The runtime's error codes as exceptions. No text is put together in a header that kernels include: that
// would have nvcc compile a formatting library once for each of them.

#include <cuda_runtime.h>

#include "engine/dtype.h"

namespace tapeline::cuda {

/// Throws Error where it is one: "`what`: the runtime's own words (its name)".
void check(cudaError_t error, const char* what);

[[noreturn]] void refuse_type(DType dtype);
[[noreturn]] void fail(const char* message);

}  // namespace tapeline::cuda
