#include <cmath>

#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/strides.h"

namespace tapeline::cuda {
namespace {

template <typename T>
__device__ T apply(BinaryKind kind, T a, T b) {
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
      return a >= b || isnan(a) ? a : b;
    case BinaryKind::minimum:
      return a <= b || isnan(a) ? a : b;
  }
  return 0;
}

template <typename T>
__device__ T apply(UnaryKind kind, T x, T scale, T offset) {
  switch (kind) {
    case UnaryKind::affine:
      return x * scale + offset;
    case UnaryKind::exp:
      return exp(x);
    case UnaryKind::log:
      return log(x);
    case UnaryKind::sqrt:
      return sqrt(x);
    case UnaryKind::square:
      return x * x;
    case UnaryKind::reciprocal:
      return 1 / x;
    case UnaryKind::abs:
      return fabs(x);
    case UnaryKind::sign:
      return static_cast<T>((x > 0) - (x < 0));
  }
  return 0;
}

template <typename T>
__global__ void binary(std::int64_t elements, BinaryKind kind, Strides<2> strides, const T* a, const T* b,
                       T* output) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride()) {
    std::int64_t at[2];
    strides.locate(i, at);
    output[i] = apply(kind, a[at[0]], b[at[1]]);
  }
}

template <typename T>
__global__ void unary(std::int64_t elements, UnaryKind kind, T scale, T offset, const T* input, T* output) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride())
    output[i] = apply(kind, input[i], scale, offset);
}

}  // namespace

void run(const Binary& k, Context& context) {
  const Shape& shape = k.output.shape;
  const auto a = broadcast_strides(shape, k.a.shape), b = broadcast_strides(shape, k.b.shape);
  Strides<2> strides;
  for (int axis = 0; axis < shape.rank(); ++axis)
    strides.add(shape[axis], {a[static_cast<std::size_t>(axis)], b[static_cast<std::size_t>(axis)]});
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, shape.elements(), binary<T>, shape.elements(), k.kind, strides, k.a.data<T>(),
                    k.b.data<T>(), k.output.data<T>());
  });
}

void run(const Unary& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    launch_elements(context, k.output.elements(), unary<T>, k.output.elements(), k.kind,
                    static_cast<T>(k.scale), static_cast<T>(k.offset), k.input.data<T>(), k.output.data<T>());
  });
}

}  // namespace tapeline::cuda
