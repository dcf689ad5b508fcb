#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"
#include "engine/random.h"

namespace tapeline::reference {

void run(const Dropout& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    const auto* state = k.state.data<std::uint32_t>();
    T* output = k.output.data<T>();
    for (std::int64_t i = 0, end = k.output.elements(); i < end; ++i) {
      const PhiloxBlock words =
          philox({static_cast<std::uint32_t>(i / 4), state[2], k.stream, 0}, {state[0], state[1]});
      const bool keep = (words[i % 4] >> 8) * 0x1p-24 >= k.rate;
      output[i] = keep ? input[i] / (1 - double{k.rate}) : 0;
    }
  });
}

}  // namespace tapeline::reference
