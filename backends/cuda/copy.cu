#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/strides.h"

namespace tapeline::cuda {
namespace {

template <typename T, bool kAccumulate>
__global__ void copy(std::int64_t elements, Strides<2> strides, const T* input, T* output) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride()) {
    std::int64_t at[2];
    strides.locate(i, at);
    output[at[1]] = kAccumulate ? output[at[1]] + input[at[0]] : input[at[0]];
  }
}

}  // namespace

void run(const Copy& k, Context& context) {
  Strides<2> strides;
  for (int axis = 0; axis < k.box.rank(); ++axis)
    strides.add(k.box[axis], {k.input_strides[static_cast<std::size_t>(axis)],
                              k.output_strides[static_cast<std::size_t>(axis)]});
  const auto start = [&]<typename T>(void (*kernel)(std::int64_t, Strides<2>, const T*, T*)) {
    launch_elements(context, k.box.elements(), kernel, k.box.elements(), strides,
                    k.input.data<T>() + k.input_start, k.output.data<T>() + k.output_start);
  };
  if (k.accumulate) return with_float(k.output.dtype, [&]<typename T>() { start(copy<T, true>); });
  switch (size_of(k.output.dtype)) {  // bits are bits, whatever their type
    case 1:
      return start(copy<std::uint8_t, false>);
    case 2:
      return start(copy<std::uint16_t, false>);
    case 4:
      return start(copy<std::uint32_t, false>);
    default:
      return start(copy<std::uint64_t, false>);
  }
}

}  // namespace tapeline::cuda
