// Every type to every other, by way of double, which holds all values of all of them. To the 16-bit types the
// conversion from double rounds once, so that this is right for f64 too.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"

namespace tapeline::cuda {
namespace {

template <typename T>
__device__ T clamp_to(double value, double lowest, double highest) {
  return isnan(value) ? T(0) : static_cast<T>(value < lowest ? lowest : value > highest ? highest : value);
}

__device__ double load(const void* from, DType type, std::int64_t i) {
  switch (type) {
    case DType::f32:
      return static_cast<const float*>(from)[i];
    case DType::f64:
      return static_cast<const double*>(from)[i];
    case DType::f16:
      return __half2float(static_cast<const __half*>(from)[i]);
    case DType::bf16:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(from)[i]);
    case DType::i32:
      return static_cast<const std::int32_t*>(from)[i];
    case DType::u8:
      return static_cast<const std::uint8_t*>(from)[i];
  }
  return 0;
}

__device__ void store(void* to, DType type, std::int64_t i, double value) {
  switch (type) {
    case DType::f32:
      static_cast<float*>(to)[i] = static_cast<float>(value);
      break;
    case DType::f64:
      static_cast<double*>(to)[i] = value;
      break;
    case DType::f16:
      static_cast<__half*>(to)[i] = __double2half(value);
      break;
    case DType::bf16:
      static_cast<__nv_bfloat16*>(to)[i] = __double2bfloat16(value);
      break;
    case DType::i32:
      static_cast<std::int32_t*>(to)[i] = clamp_to<std::int32_t>(value, -2147483648.0, 2147483647.0);
      break;
    case DType::u8:
      static_cast<std::uint8_t*>(to)[i] = clamp_to<std::uint8_t>(value, 0, 255);
      break;
  }
}

__global__ void cast(std::int64_t elements, const void* input, DType from, void* output, DType to) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride())
    store(output, to, i, load(input, from, i));
}

}  // namespace

void run(const Cast& k, Context& context) {
  launch_elements(context, k.output.elements(), cast, k.output.elements(), k.input.data<void>(),
                  k.input.dtype, k.output.data<void>(), k.output.dtype);
}

}  // namespace tapeline::cuda
