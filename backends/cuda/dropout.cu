#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "engine/random.h"

namespace tapeline::cuda {
namespace {

// Four elements to each thread, since the generator gives four words at a time.
template <typename T>
__global__ void dropout(std::int64_t elements, const std::uint32_t* state, std::uint32_t stream, float rate,
                        const T* input, T* output) {
  const std::uint32_t seed_low = state[0], seed_high = state[1], step = state[2];
  const T factor = T(1) / (T(1) - T(rate));
  for (std::int64_t four = first_element(); four * 4 < elements; four += element_stride()) {
    const PhiloxBlock words =
        philox({static_cast<std::uint32_t>(four), step, stream, 0}, {seed_low, seed_high});
    for (int i = 0; i < 4 && four * 4 + i < elements; ++i) {
      const bool keep = static_cast<float>(words[i] >> 8) * 0x1p-24f >= rate;
      output[four * 4 + i] = keep ? input[four * 4 + i] * factor : T(0);
    }
  }
}

}  // namespace

void run(const Dropout& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, divide_up(k.output.elements(), 4), dropout<T>, k.output.elements(),
                    k.state.data<std::uint32_t>(), k.stream, k.rate, k.input.data<T>(), k.output.data<T>());
  });
}

}  // namespace tapeline::cuda
