#include <type_traits>

#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {
namespace {

template <typename T>
void copy_axis(const Copy& k, int axis, const T* from, T* to) {
  if (axis < k.box.rank()) {
    for (std::int64_t i = 0; i < k.box[axis]; ++i)
      copy_axis(k, axis + 1, from + i * k.input_strides[axis], to + i * k.output_strides[axis]);
    return;
  }
  if constexpr (std::is_floating_point_v<T>) {
    *to = k.accumulate ? *to + *from : *from;
  } else {
    *to = *from;
  }
}

}  // namespace

void run(const Copy& k) {
  if (k.box.elements() == 0) return;
  with_type(k.output.dtype, [&]<typename T>() {
    copy_axis(k, 0, k.input.data<T>() + k.input_start, k.output.data<T>() + k.output_start);
  });
}

}  // namespace tapeline::reference
