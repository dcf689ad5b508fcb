#include <algorithm>

#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {

void run(const Fill& k) {
  with_type(k.output.dtype, [&]<typename T>() {
    std::fill_n(k.output.data<T>(), k.output.elements(), from_double<T>(k.value));
  });
}

}  // namespace tapeline::reference
