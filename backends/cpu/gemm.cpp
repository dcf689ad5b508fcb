#include "backends/cpu/gemm.h"

#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

using Four = float __attribute__((vector_size(16)));
using UnalignedFour = float __attribute__((vector_size(16), aligned(4), may_alias));
using FourInts = int __attribute__((vector_size(16)));

#if defined(__clang__)
#define TAPELINE_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define TAPELINE_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, FourInts{i, j, k, l})
#endif

/// to[k][j] = from[j][k] for 4 x 4 elements.
TAPELINE_INLINE void transpose_four(float* to, std::int64_t to_stride, const float* from,
                                    std::int64_t from_stride) {
  const auto row = [&](int j) {
    return static_cast<Four>(*reinterpret_cast<const UnalignedFour*>(from + j * from_stride));
  };
  const Four a = row(0), b = row(1), c = row(2), d = row(3);
  const Four ab_low = TAPELINE_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = TAPELINE_SHUFFLE(a, b, 2, 6, 3, 7);
  const Four cd_low = TAPELINE_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = TAPELINE_SHUFFLE(c, d, 2, 6, 3, 7);
  const auto put = [&](int k, Four value) { *reinterpret_cast<UnalignedFour*>(to + k * to_stride) = value; };
  put(0, TAPELINE_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5));
  put(1, TAPELINE_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7));
  put(2, TAPELINE_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5));
  put(3, TAPELINE_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7));
}

}  // namespace

void PackB::operator()(float* to, std::int64_t k, std::int64_t inner, std::int64_t column,
                       std::int64_t columns) const {
  const float* from = b + k * stride + column;
  if (columns == kTileColumns) {
    for (std::int64_t i = 0; i < inner; ++i, to += kTileColumns, from += stride) {
      store(to, load(from));
      store(to + kWidth, load(from + kWidth));
    }
    return;
  }
  for (std::int64_t i = 0; i < inner; ++i, to += kTileColumns, from += stride) {
    copy_floats(to, from, columns);
    zero_floats(to + columns, kTileColumns - columns);
  }
}

void PackTransposedB::operator()(float* to, std::int64_t k, std::int64_t inner, std::int64_t column,
                                 std::int64_t columns) const {
  const float* from = b + column * stride + k;
  if (columns < kTileColumns) zero_floats(to, inner * kTileColumns);
  std::int64_t i = 0;
  for (; i + 4 <= inner; i += 4) {
    std::int64_t j = 0;
    for (; j + 4 <= columns; j += 4)
      transpose_four(to + i * kTileColumns + j, kTileColumns, from + j * stride + i, stride);
    for (; j < columns; ++j)
      for (std::int64_t n = 0; n < 4; ++n) to[(i + n) * kTileColumns + j] = from[j * stride + i + n];
  }
  for (; i < inner; ++i)
    for (std::int64_t j = 0; j < columns; ++j) to[i * kTileColumns + j] = from[j * stride + i];
}

void activate_rows(const Activation& activation, float* const* rows, std::int64_t row_count,
                   std::int64_t column, std::int64_t columns) {
  with_activation(
      activation, [=](auto f) __attribute__((always_inline)) {
        for (std::int64_t i = 0; i < row_count; ++i) {
          float* at = rows[i] + column;
          std::int64_t left = columns;
          for (; left >= kWidth; left -= kWidth, at += kWidth) store(at, f(load(at)));
          if (left > 0) store(at, f(load(at, static_cast<int>(left))), static_cast<int>(left));
        }
      });
}

void add_parts(const float* from, std::int64_t parts, std::int64_t stride, std::int64_t count, float* to,
               std::int64_t columns, std::int64_t to_stride, bool add, Context& context) {
  const std::int64_t rows = columns > 0 ? count / columns : 0;
  const std::int64_t grain = larger((1 << 14) / larger(columns * parts, 1), 1);
  context.pool.parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row)
      for (std::int64_t column = 0; column < columns; column += kWidth) {
        const int lanes = static_cast<int>(smaller(kWidth, columns - column));
        const float* source = from + row * columns + column;
        float* target = to + row * to_stride + column;
        Vec sum = load(source, lanes);
        for (std::int64_t part = 1; part < parts; ++part) sum += load(source + part * stride, lanes);
        store(target, add ? sum + load(target, lanes) : sum, lanes);
      }
  });
}

void run(const Gemm& k, Context& context) {
  if (k.c.dtype != DType::f32) return reference::run(k);
  const float* a = k.a.data<float>();
  const float* b = k.b.data<float>();
  float* c = k.c.data<float>();
  const std::int64_t a_stride = k.transpose_a ? k.rows : k.inner,
                     b_stride = k.transpose_b ? k.inner : k.columns;
  const Finish finish{k.bias ? k.bias.data<float>() : nullptr, k.accumulate};

  // A gradient of weights: C is small, and the sums are long.
  if (k.transpose_a && !k.transpose_b && !k.bias && !k.activation &&
      split_parts(k.rows, k.columns, k.inner) > 1)
    return multiply_split(k.rows, k.columns, k.inner, PackColumns{a, a_stride}, PackB{b, b_stride}, c,
                          k.columns, k.accumulate, nullptr, context);

  const auto with = [&](const auto& pack_a, const auto& pack_b) __attribute__((always_inline)) {
    multiply(k.rows, k.columns, k.inner, pack_a, pack_b, PlainRows{c, k.columns}, finish, k.activation,
             context, {&k.b, form_number(k.transpose_b ? Form::transposed : Form::rows, 0)});
  };
  if (k.transpose_a && k.transpose_b) return with(PackColumns{a, a_stride}, PackTransposedB{b, b_stride});
  if (k.transpose_a) return with(PackColumns{a, a_stride}, PackB{b, b_stride});
  if (k.transpose_b) return with(PackRows{a, a_stride}, PackTransposedB{b, b_stride});
  with(PackRows{a, a_stride}, PackB{b, b_stride});
}

}  // namespace tapeline::cpu::TAPELINE_ISA
