#include <bit>
#include <cstring>

#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

void run(const Fill& k, Context& context) {
  // Zero is all bits zero in every type.
  if (std::bit_cast<std::uint64_t>(k.value) == 0) {
    auto* output = k.output.data<std::byte>();
    context.pool.parallel_for(static_cast<std::int64_t>(k.output.bytes()), kTaskFloats * 4,
                              [=](std::int64_t begin, std::int64_t end) {
                                std::memset(output + begin, 0, static_cast<std::size_t>(end - begin));
                              });
    return;
  }
  if (k.output.dtype != DType::f32) return reference::run(k);
  float* output = k.output.data<float>();
  const Vec value(static_cast<float>(k.value));
  parallel_for_vectors(
      context, k.output.elements(), [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
        store(output + i, value, lanes);
      });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
