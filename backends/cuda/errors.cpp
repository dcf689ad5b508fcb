#include "backends/cuda/errors.h"

#include "engine/error.h"

namespace tapeline::cuda {

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // an error of a launch would be reported again by the next call
  throw Error("{}: {} ({})", what, cudaGetErrorString(error), cudaGetErrorName(error));
}

void refuse_type(DType dtype) {
  throw Error("operands are {}, which is not computed with: cast them to f32 or f64", name_of(dtype));
}

void fail(const char* message) { throw Error("{}", message); }

}  // namespace tapeline::cuda
