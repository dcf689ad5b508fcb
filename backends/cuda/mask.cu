#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/pixels.h"

namespace tapeline::cuda {
namespace {

template <typename T>
__global__ void mask(std::int64_t elements, int channels, Pixels pixels, const T* input, T* output) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride())
    output[i] = pixels.inside(i / channels) ? input[i] : T(0);
}

}  // namespace

void run(const MaskColumns& k, Context& context) {
  const Shape& shape = k.output.shape;
  const Pixels pixels{shape[0] * shape[1] * shape[2], static_cast<int>(shape[1]), static_cast<int>(shape[2]),
                      k.widths.data<std::int32_t>()};
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, k.output.elements(), mask<T>, k.output.elements(), static_cast<int>(shape[3]),
                    pixels, k.input.data<T>(), k.output.data<T>());
  });
}

}  // namespace tapeline::cuda
