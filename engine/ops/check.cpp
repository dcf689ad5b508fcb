#include "engine/ops/check.h"

#include <cmath>
#include <limits>

namespace tapeline {

void check_defined(const char* op, const char* operand, const Tensor& x) {
  if (!x) throw Error("{}: {} is missing (an undefined tensor)", op, operand);
}

void check_float(const char* op, const char* operand, const Tensor& x) {
  check_defined(op, operand, x);
  if (x.dtype() != DType::f32 && x.dtype() != DType::f64)
    throw Error("{}: {} {} is {}; this op computes in f32 or f64, so cast() it first", op, operand,
                x.shape().text(), name_of(x.dtype()));
}

void check_rank(const char* op, const char* operand, const Tensor& x, int rank, const char* layout) {
  if (x.shape().rank() != rank)
    throw Error("{}: {} {} has rank {}, {} is wanted; reshape() it", op, operand, x.shape().text(),
                x.shape().rank(), layout);
}

void check_like(const char* op, const char* operand, const Tensor& x, const Tensor& like) {
  check_defined(op, operand, x);
  if (x.device() != like.device())
    throw Error("{}: {} {} is on device {}, the first operand {} on {}; make all operands on one device", op,
                operand, x.shape().text(), x.device()->describe().id, like.shape().text(),
                like.device()->describe().id);
  if (x.dtype() != like.dtype())
    throw Error("{}: {} {} is {}, the first operand {} is {}; cast() one of them", op, operand,
                x.shape().text(), name_of(x.dtype()), like.shape().text(), name_of(like.dtype()));
}

void check_vector(const char* op, const char* operand, const Tensor& x, std::int64_t size,
                  const Tensor& like) {
  check_like(op, operand, x, like);
  if (x.shape() != Shape{size})
    throw Error("{}: {} has shape {}, {} is wanted beside {}", op, operand, x.shape().text(),
                Shape{size}.text(), like.shape().text());
}

void check_lengths(const char* op, const char* operand, const Tensor& x, std::int64_t batch,
                   const Tensor& like) {
  check_defined(op, operand, x);
  if (x.dtype() != DType::i32 || x.shape() != Shape{batch})
    throw Error("{}: {} is {} {}, i32 {} is wanted: one number for each image of {}", op, operand,
                name_of(x.dtype()), x.shape().text(), Shape{batch}.text(), like.shape().text());
  if (x.device() != like.device())
    throw Error("{}: {} {} is on device {}, the first operand {} on {}; make all operands on one device", op,
                operand, x.shape().text(), x.device()->describe().id, like.shape().text(),
                like.device()->describe().id);
}

void check_activation(const char* op, const Activation& activation) {
  if (activation.kind == ActivationKind::leaky_relu &&
      !(activation.slope > 0 && std::isfinite(activation.slope)))
    throw Error("{}: slope {} of leaky ReLU must be positive; use relu for 0", op, activation.slope);
}

int check_axis(const char* op, int axis, const Shape& shape) {
  const int rank = shape.rank();
  if (axis < -rank || axis >= rank)
    throw Error("{}: {} has no axis {}; its axes are 0 to {}, or -{} to -1 from the end", op, shape.text(),
                axis, rank - 1, rank);
  return axis < 0 ? axis + rank : axis;
}

int checked_int(const char* op, const char* what, std::int64_t value) {
  if (value < 0 || value > std::numeric_limits<int>::max())
    throw Error("{}: {} {} is out of range; at most {}", op, what, value, std::numeric_limits<int>::max());
  return static_cast<int>(value);
}

}  // namespace tapeline
