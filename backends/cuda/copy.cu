#include <cstdlib>
#include <utility>
#include <vector>

#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/strides.h"

namespace tapeline::cuda {
namespace {

template <typename T>
__global__ void copy(std::int64_t elements, Strides<2> strides, const T* input, T* output) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride()) {
    std::int64_t at[2];
    strides.locate(i, at);
    output[at[1]] = input[at[0]];
  }
}

// Each thread adds up, in order, `times` elements that may meet in one output.
template <typename T>
__global__ void add(std::int64_t elements, Strides<2> apart, std::int64_t times, Strides<2> meeting,
                    const T* input, T* output) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride()) {
    std::int64_t base[2], at[2];
    apart.locate(i, base);
    for (std::int64_t j = 0; j < times; ++j) {
      meeting.locate(j, at);
      output[base[1] + at[1]] += input[base[0] + at[0]];
    }
  }
}

// Whether no two elements of the box, but for axes of stride 0, can have one place in the output.
bool stay_apart(const Copy& k) {
  std::vector<std::pair<std::int64_t, std::int64_t>> axes;  // stride, extent
  for (int axis = 0; axis < k.box.rank(); ++axis)
    if (const std::int64_t stride = k.output_strides[static_cast<std::size_t>(axis)];
        stride != 0 && k.box[axis] > 1)
      axes.emplace_back(std::abs(stride), k.box[axis]);
  std::sort(axes.begin(), axes.end());
  std::int64_t reach = 0;  // of the axes so far
  for (const auto& [stride, extent] : axes) {
    if (stride <= reach) return false;
    reach += stride * (extent - 1);
  }
  return true;
}

void run_adding(const Copy& k, Context& context) {
  const bool together = !stay_apart(k);
  Strides<2> apart, meeting;
  std::int64_t elements = 1, times = 1;
  for (int axis = 0; axis < k.box.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    const bool meets = together || k.output_strides[i] == 0;
    (meets ? meeting : apart).add(k.box[axis], {k.input_strides[i], k.output_strides[i]});
    (meets ? times : elements) *= k.box[axis];
  }
  if (times == 0) return;
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, elements, add<T>, elements, apart, times, meeting,
                    k.input.data<T>() + k.input_start, k.output.data<T>() + k.output_start);
  });
}

}  // namespace

void run(const Copy& k, Context& context) {
  if (k.accumulate) return run_adding(k, context);
  Strides<2> strides;
  for (int axis = 0; axis < k.box.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    strides.add(k.box[axis], {k.input_strides[i], k.output_strides[i]});
  }
  const auto start = [&]<typename T>(T) {
    launch_elements(context, k.box.elements(), copy<T>, k.box.elements(), strides,
                    k.input.data<T>() + k.input_start, k.output.data<T>() + k.output_start);
  };
  switch (size_of(k.output.dtype)) {  // bits are bits, whatever their type
    case 1:
      return start(std::uint8_t{});
    case 2:
      return start(std::uint16_t{});
    case 4:
      return start(std::uint32_t{});
    default:
      return start(std::uint64_t{});
  }
}

}  // namespace tapeline::cuda
