// One value, as the bits of the element type, written everywhere.

#include <algorithm>
#include <bit>
#include <cmath>

#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "engine/half.h"

namespace tapeline::cuda {
namespace {

template <typename Word>
__global__ void fill(std::int64_t elements, Word word, Word* output) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride()) output[i] = word;
}

template <typename T>
T clamp_to(double value, double lowest, double highest) {
  return std::isnan(value) ? T(0) : static_cast<T>(std::clamp(value, lowest, highest));
}

}  // namespace

void run(const Fill& k, Context& context) {
  const auto with = [&]<typename Word>(Word word) {
    launch_elements(context, k.output.elements(), fill<Word>, k.output.elements(), word,
                    k.output.data<Word>());
  };
  switch (k.output.dtype) {
    case DType::f32:
      return with(static_cast<float>(k.value));
    case DType::f64:
      return with(k.value);
    case DType::f16:
      return with(double_to_half(k.value));
    case DType::bf16:
      return with(double_to_bfloat16(k.value));
    case DType::i32:
      return with(clamp_to<std::int32_t>(k.value, -2147483648.0, 2147483647.0));
    case DType::u8:
      return with(clamp_to<std::uint8_t>(k.value, 0, 255));
  }
}

cudaError_t find_kernels() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, fill<float>);
}

}  // namespace tapeline::cuda
