#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {

void run(const Cast& k) {
  with_type(k.input.dtype, [&]<typename In>() {
    with_type(k.output.dtype, [&]<typename Out>() {
      const In* input = k.input.data<In>();
      Out* output = k.output.data<Out>();
      for (std::int64_t i = 0, end = k.output.elements(); i < end; ++i)
        output[i] = from_double<Out>(to_double(input[i]));
    });
  });
}

}  // namespace tapeline::reference
