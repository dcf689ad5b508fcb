#pragma once

// What ops ask of their operands before they build a kernel. Each throws an Error that names the op, the
// operand, its shape or type, and what is wanted.

#include <cstdint>

#include "engine/tensor.h"

namespace tapeline {

/// The operand is there.
void check_defined(const char* op, const char* operand, const Tensor& x);
/// The operand is there, and of a type that is computed in: f32 or f64.
void check_float(const char* op, const char* operand, const Tensor& x);
/// The operand has this rank; `layout` ("[N, H, W, C]") says so in the message.
void check_rank(const char* op, const char* operand, const Tensor& x, int rank, const char* layout);
/// The operand is there, with the type and on the device of `like`.
void check_like(const char* op, const char* operand, const Tensor& x, const Tensor& like);
/// check_like, and the operand's shape is [size].
void check_vector(const char* op, const char* operand, const Tensor& x, std::int64_t size,
                  const Tensor& like);
/// i32 [batch], on the device of `like`: widths, frames, lengths.
void check_lengths(const char* op, const char* operand, const Tensor& x, std::int64_t batch,
                   const Tensor& like);
/// The slope of a leaky ReLU is positive: its way back reads the sign of the input off the output.
void check_activation(const char* op, const Activation& activation);
/// The axis as a number from 0; a negative one counts from the end.
int check_axis(const char* op, int axis, const Shape& shape);
/// `value` as an int; kernels hold extents as such.
int checked_int(const char* op, const char* what, std::int64_t value);

}  // namespace tapeline
