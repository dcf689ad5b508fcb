#pragma once

#include "engine/tensor.h"

namespace tapeline {

// Arithmetic on f32 and f64 tensors, all of it differentiable. Two operands broadcast: they are aligned at
// the innermost axis and extents of 1 stretch; a gradient is summed back to the operand's own shape. All
// throw when types or devices differ or shapes do not broadcast.

Tensor add(const Tensor& a, const Tensor& b);
Tensor subtract(const Tensor& a, const Tensor& b);
Tensor multiply(const Tensor& a, const Tensor& b);
Tensor divide(const Tensor& a, const Tensor& b);
/// The larger, the smaller of two. Where they are equal each gets half of the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);

/// x * factor + offset
Tensor scale(const Tensor& x, double factor, double offset = 0);
Tensor exp(const Tensor& x);
/// Natural logarithm.
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor square(const Tensor& x);
/// 1 / x
Tensor reciprocal(const Tensor& x);
/// The gradient at 0 is 0.
Tensor abs(const Tensor& x);
/// -1, 0 or 1. It has no gradient: the result is cut off from the tape.
Tensor sign(const Tensor& x);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return subtract(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return multiply(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return divide(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return scale(a, 1, b); }
inline Tensor operator-(const Tensor& a, double b) { return scale(a, 1, -b); }
inline Tensor operator*(const Tensor& a, double b) { return scale(a, b); }
inline Tensor operator/(const Tensor& a, double b) { return scale(a, 1 / b); }
inline Tensor operator+(double a, const Tensor& b) { return scale(b, 1, a); }
inline Tensor operator-(double a, const Tensor& b) { return scale(b, -1, a); }
inline Tensor operator*(double a, const Tensor& b) { return scale(b, a); }
inline Tensor operator/(double a, const Tensor& b) { return scale(reciprocal(b), a); }
inline Tensor operator-(const Tensor& a) { return scale(a, -1); }

}  // namespace tapeline
