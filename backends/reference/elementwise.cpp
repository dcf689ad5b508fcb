#include <cmath>

#include "backends/reference/dispatch.h"
#include "backends/reference/index.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {
namespace {

double apply(BinaryKind kind, double a, double b) {
  switch (kind) {
    case BinaryKind::add:
      return a + b;
    case BinaryKind::subtract:
      return a - b;
    case BinaryKind::multiply:
      return a * b;
    case BinaryKind::divide:
      return a / b;
    case BinaryKind::maximum:
      return a >= b || std::isnan(a) ? a : b;
    case BinaryKind::minimum:
      return a <= b || std::isnan(a) ? a : b;
  }
  return 0;
}

double apply(const Unary& k, double x) {
  switch (k.kind) {
    case UnaryKind::affine:
      return x * k.scale + k.offset;
    case UnaryKind::exp:
      return std::exp(x);
    case UnaryKind::log:
      return std::log(x);
    case UnaryKind::sqrt:
      return std::sqrt(x);
    case UnaryKind::square:
      return x * x;
    case UnaryKind::reciprocal:
      return 1 / x;
    case UnaryKind::abs:
      return std::fabs(x);
    case UnaryKind::sign:
      return (x > 0) - (x < 0);
  }
  return 0;
}

}  // namespace

void run(const Binary& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* a = k.a.data<T>();
    const T* b = k.b.data<T>();
    T* output = k.output.data<T>();
    const Shape& shape = k.output.shape;
    for (std::int64_t i = 0, end = k.output.elements(); i < end; ++i)
      output[i] =
          apply(k.kind, a[broadcast_index(i, shape, k.a.shape)], b[broadcast_index(i, shape, k.b.shape)]);
  });
}

void run(const Unary& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    T* output = k.output.data<T>();
    for (std::int64_t i = 0, end = k.output.elements(); i < end; ++i) output[i] = apply(k, input[i]);
  });
}

}  // namespace tapeline::reference
