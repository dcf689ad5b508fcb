#pragma once

#include <array>
#include <string_view>

#include "engine/storage.h"

namespace tapeline {

/// Moves a box of elements between two tensors laid out in any way. Slicing, concatenation, transposition,
/// padding and repetition are all this: output[output_start + i . output_strides] = input[input_start + i .
/// input_strides] for every index i of `box`; with `accumulate` it is added instead. Starts and strides are
/// in elements; an input stride of 0 repeats. What lies outside the box keeps its value, so the output counts
/// as read too. Any one type (accumulate: f32, f64).
struct Copy {
  static constexpr std::string_view name = "copy";
  View input, output;
  Shape box;
  std::array<std::int64_t, Shape::kMaxRank> input_strides{}, output_strides{};  // one for each axis of box
  std::int64_t input_start = 0, output_start = 0;
  bool accumulate = false;
  bool covers_output = false;  // every element of the output is written, so its old value is not read

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(input);
    if (!covers_output || accumulate) in(output);
    out(output);
  }
  double flops() const { return accumulate ? static_cast<double>(box.elements()) : 0; }
};

}  // namespace tapeline
