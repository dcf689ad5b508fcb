#pragma once

// Boxes: what slicing, concatenation, padding, transposition and repetition have in common. Each moves a box
// of elements between two row-major tensors with one Copy.

#include <array>
#include <span>

#include "engine/tensor.h"

namespace tapeline {

using Strides = std::array<std::int64_t, Shape::kMaxRank>;

/// Elements between neighbours along each axis of a row-major tensor.
Strides strides_of(const Shape& shape);

/// Copies the box of extent `box` from `input` at position `from` to `output` at position `to`. All have the
/// same rank; elements of the output outside the box are left as they are.
void copy_box(const View& input, std::span<const std::int64_t> from, const View& output,
              std::span<const std::int64_t> to, const Shape& box);

}  // namespace tapeline
