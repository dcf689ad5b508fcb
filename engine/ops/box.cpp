#include "engine/ops/box.h"

#include "engine/program.h"

namespace tapeline {

Strides strides_of(const Shape& shape) {
  Strides strides{};
  std::int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = step;
    step *= shape[i];
  }
  return strides;
}

void copy_box(const View& input, std::span<const std::int64_t> from, const View& output,
              std::span<const std::int64_t> to, const Shape& box) {
  Copy copy{.input = input,
            .output = output,
            .box = box,
            .input_strides = strides_of(input.shape),
            .output_strides = strides_of(output.shape),
            .covers_output = box == output.shape};
  for (std::size_t i = 0; i < static_cast<std::size_t>(box.rank()); ++i) {
    copy.input_start += from[i] * copy.input_strides[i];
    copy.output_start += to[i] * copy.output_strides[i];
  }
  submit(copy);
}

}  // namespace tapeline
