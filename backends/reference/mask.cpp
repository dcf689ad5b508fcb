#include "backends/reference/dispatch.h"
#include "backends/reference/index.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {

void run(const MaskColumns& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    T* output = k.output.data<T>();
    const std::int64_t channels = k.output.shape[3];
    for_each_pixel(k.output.shape, k.widths, [&](std::int64_t position, bool inside) {
      for (std::int64_t i = position; i < position + channels; ++i) output[i] = inside ? input[i] : 0;
    });
  });
}

}  // namespace tapeline::reference
