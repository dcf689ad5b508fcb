#include "backends/cuda/rounded.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "backends/cuda/launch.h"

namespace tapeline::cuda {
namespace {

__device__ void convert(float from, __nv_bfloat16& to) { to = __float2bfloat16_rn(from); }
__device__ void convert(float from, __half& to) { to = __float2half_rn(from); }

template <typename Half>
__global__ void round_each(std::int64_t count, const float* from, Half* to) {
  for (std::int64_t i = first_element(); i < count; i += element_stride()) convert(from[i], to[i]);
}

// Eight to each thread: 32 bytes in, 16 out.
template <typename Half>
__global__ void round_eights(std::int64_t count, const float* from, Half* to) {
  struct alignas(16) Eight {
    Half values[8];
  };
  for (std::int64_t i = first_element(); i < count; i += element_stride()) {
    const float4 a = reinterpret_cast<const float4*>(from)[2 * i],
                 b = reinterpret_cast<const float4*>(from)[2 * i + 1];
    Eight eight;
    convert(a.x, eight.values[0]), convert(a.y, eight.values[1]), convert(a.z, eight.values[2]),
        convert(a.w, eight.values[3]), convert(b.x, eight.values[4]), convert(b.y, eight.values[5]),
        convert(b.z, eight.values[6]), convert(b.w, eight.values[7]);
    reinterpret_cast<Eight*>(to)[i] = eight;
  }
}

}  // namespace

template <typename Half>
const Half* rounded(Context& context, const float* values, std::int64_t count) {
  Half* to = context.scratch<Half>(count);
  if (count % 8 == 0 && reinterpret_cast<std::uintptr_t>(values) % 16 == 0)
    launch_elements(context, count / 8, round_eights<Half>, count / 8, values, to);
  else
    launch_elements(context, count, round_each<Half>, count, values, to);
  return to;
}

template const __nv_bfloat16* rounded(Context&, const float*, std::int64_t);
template const __half* rounded(Context&, const float*, std::int64_t);

}  // namespace tapeline::cuda
