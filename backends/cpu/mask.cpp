#include <cstring>

#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {

void run(const MaskColumns& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const Shape& shape = k.output.shape;
  const std::int64_t height = shape[1], width = shape[2], channels = shape[3], line = width * channels;
  const float* input = k.input.data<float>();
  float* output = k.output.data<float>();
  const auto* widths = k.widths.data<std::int32_t>();
  context.pool.parallel_for(shape[0] * height, task_rows(line), [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t y = begin; y < end; ++y) {
      const auto kept = static_cast<std::size_t>(length_of(widths, y / height, width) * channels);
      if (output != input) std::memcpy(output + y * line, input + y * line, kept * sizeof(float));
      std::memset(output + y * line + kept, 0, (static_cast<std::size_t>(line) - kept) * sizeof(float));
    }
  });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
