// Binary: the axes of the output are merged where both operands go on evenly, so that what is left is a few
// axes, and an innermost one along which each operand has stride 1 or 0.

#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

struct Axis {
  std::int64_t extent, a, b;  // strides of the operands, 0 where one stretches
};

struct Axes {
  Axis axis[Shape::kMaxRank];  // innermost first
  int count = 0;
};

/// Stride of `shape` along the output's axis -i.
TAPELINE_INLINE std::int64_t stride(const Shape& shape, int i) {
  if (i > shape.rank() || shape[-i] == 1) return 0;
  std::int64_t result = 1;
  for (int inner = 1; inner < i; ++inner) result *= shape[-inner];
  return result;
}

Axes merge_axes(const Binary& k) {
  Axes axes;
  for (int i = 1; i <= k.output.shape.rank(); ++i) {
    const Axis axis{k.output.shape[-i], stride(k.a.shape, i), stride(k.b.shape, i)};
    if (axis.extent == 1) continue;
    if (axes.count > 0) {
      Axis& inner = axes.axis[axes.count - 1];
      if (axis.a == inner.a * inner.extent && axis.b == inner.b * inner.extent) {
        inner.extent *= axis.extent;
        continue;
      }
    }
    axes.axis[axes.count++] = axis;
  }
  if (axes.count == 0) axes.axis[axes.count++] = {1, 1, 1};
  return axes;
}

template <typename Body>
TAPELINE_INLINE void with_binary(BinaryKind kind, Body body) {
  switch (kind) {
    case BinaryKind::add:
      return body([](Vec a, Vec b) __attribute__((always_inline)) { return a + b; });
    case BinaryKind::subtract:
      return body([](Vec a, Vec b) __attribute__((always_inline)) { return a - b; });
    case BinaryKind::multiply:
      return body([](Vec a, Vec b) __attribute__((always_inline)) { return a * b; });
    case BinaryKind::divide:
      return body([](Vec a, Vec b) __attribute__((always_inline)) { return a / b; });
    case BinaryKind::maximum:
      return body([](Vec a, Vec b)
                      __attribute__((always_inline)) { return select((a >= b) | (a != a), a, b); });
    case BinaryKind::minimum:
      return body([](Vec a, Vec b)
                      __attribute__((always_inline)) { return select((a <= b) | (a != a), a, b); });
  }
}

template <typename Body>
TAPELINE_INLINE void with_unary(const Unary& k, Body body) {
  switch (k.kind) {
    case UnaryKind::affine: {
      const Vec scale(static_cast<float>(k.scale)), offset(static_cast<float>(k.offset));
      return body([=](Vec x) __attribute__((always_inline)) { return fma(x, scale, offset); });
    }
    case UnaryKind::exp:
      return body([](Vec x) __attribute__((always_inline)) { return exp(x); });
    case UnaryKind::log:
      return body([](Vec x) __attribute__((always_inline)) { return log(x); });
    case UnaryKind::sqrt:
      return body([](Vec x) __attribute__((always_inline)) { return sqrt(x); });
    case UnaryKind::square:
      return body([](Vec x) __attribute__((always_inline)) { return x * x; });
    case UnaryKind::reciprocal:
      return body([](Vec x) __attribute__((always_inline)) { return Vec(1.0f) / x; });
    case UnaryKind::abs:
      return body([](Vec x) __attribute__((always_inline)) { return abs(x); });
    case UnaryKind::sign:
      return body([](Vec x) __attribute__((always_inline)) {
        const Vec zero(0.0f), one(1.0f);
        return select(x > zero, one, select(x < zero, -one, zero));
      });
  }
}

}  // namespace

void run(const Binary& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const Axes axes = merge_axes(k);
  const Axis inner = axes.axis[0];
  with_binary(
      k.kind, [&](auto f) __attribute__((always_inline)) {
        context.pool.parallel_for(
            k.output.elements(), kTaskFloats, [&](std::int64_t begin, std::int64_t end) {
              while (begin < end) {
                std::int64_t outer = begin / inner.extent, first = begin % inner.extent;
                const float* a = k.a.data<float>() + first * inner.a;
                const float* b = k.b.data<float>() + first * inner.b;
                for (int i = 1; i < axes.count; ++i) {
                  const std::int64_t index = outer % axes.axis[i].extent;
                  outer /= axes.axis[i].extent;
                  a += index * axes.axis[i].a;
                  b += index * axes.axis[i].b;
                }
                float* output = k.output.data<float>() + begin;
                const std::int64_t count = std::min(end - begin, inner.extent - first);
                if (inner.a == 0) {
                  const Vec all(*a);
                  for_vectors(
                      0, count, [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
                        store(output + i, f(all, load(b + i, lanes)), lanes);
                      });
                } else if (inner.b == 0) {
                  const Vec all(*b);
                  for_vectors(
                      0, count, [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
                        store(output + i, f(load(a + i, lanes), all), lanes);
                      });
                } else {
                  for_vectors(
                      0, count, [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
                        store(output + i, f(load(a + i, lanes), load(b + i, lanes)), lanes);
                      });
                }
                begin += count;
              }
            });
      });
}

void run(const Unary& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const float* input = k.input.data<float>();
  float* output = k.output.data<float>();
  with_unary(
      k, [&](auto f) __attribute__((always_inline)) {
        parallel_for_vectors(
            context, k.output.elements(), [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
              store(output + i, f(load(input + i, lanes)), lanes);
            });
      });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
