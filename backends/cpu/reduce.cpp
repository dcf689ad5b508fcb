// Nearly every reduction is, once neighbouring axes are merged, one of [outer, reduced, inner] to [outer,
// inner]. The reduced axis is cut into pieces, and the columns of `inner` into blocks, for the threads to
// take; each piece leaves its own results in double, which are put together in order.

#include "backends/cpu/lanes.h"
#include "backends/cpu/sum_in_double.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr std::int64_t kColumns = 2048;
constexpr double kInfinity = __builtin_inf();

struct Plan {
  std::int64_t outer = 1, reduced = 1, inner = 1;
  bool simple = true;
};

Plan plan_of(const Reduce& k) {
  Plan plan;
  for (int i = k.input.shape.rank() - 1; i >= 0; --i) {
    const std::int64_t extent = k.input.shape[i];
    if (extent == 1) continue;
    if (k.output.shape[i] == extent)
      (plan.reduced == 1 ? plan.inner : plan.outer) *= extent;
    else if (plan.outer == 1)
      plan.reduced *= extent;
    else
      plan.simple = false;
  }
  return plan;
}

struct Add {
  static constexpr double kNothing = 0;
  TAPELINE_INLINE static double join(double a, double b) { return a + b; }
  TAPELINE_INLINE static double row(const float* x, std::int64_t count) {
    return sum_in_double(
        x, count, [](double value) __attribute__((always_inline)) { return value; });
  }
};

struct Larger {
  static constexpr double kNothing = -kInfinity;
  TAPELINE_INLINE static double join(double a, double b) { return b > a || b != b ? b : a; }  // a NaN stays
  TAPELINE_INLINE static double row(const float* x, std::int64_t count) {
    double result = kNothing;
    for (std::int64_t i = 0; i < count; ++i) result = join(result, static_cast<double>(x[i]));
    return result;
  }
};

template <typename Operation>
void reduce(const Reduce& k, const Plan& plan, double divisor, Context& context) {
  const float* input = k.input.data<float>();
  float* output = k.output.data<float>();
  const std::int64_t columns = std::min(plan.inner, kColumns), blocks = (plan.inner + columns - 1) / columns;
  const std::int64_t rows = std::max<std::int64_t>(64, task_rows(columns));
  const std::int64_t pieces = std::max<std::int64_t>(1, (plan.reduced + rows - 1) / rows);
  auto* parts = static_cast<double*>(
      context.scratch.shared(2, static_cast<std::size_t>(plan.outer * pieces * plan.inner) * sizeof(double)));

  const std::int64_t grain = task_rows(std::min(rows, plan.reduced) * columns);
  context.pool.parallel_for(plan.outer * pieces * blocks, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t block = task % blocks, piece = task / blocks % pieces,
                         outer = task / blocks / pieces;
      const std::int64_t first = piece * rows, count = std::min(rows, plan.reduced - first);
      const std::int64_t column = block * columns, width = std::min(columns, plan.inner - column);
      const float* from = input + (outer * plan.reduced + first) * plan.inner + column;
      double* to = parts + (outer * pieces + piece) * plan.inner + column;
      if (plan.inner == 1) {
        *to = Operation::row(from, count);
        continue;
      }
      for (std::int64_t c = 0; c < width; ++c) to[c] = Operation::kNothing;
      for (std::int64_t r = 0; r < count; ++r, from += plan.inner)
        for (std::int64_t c = 0; c < width; ++c) to[c] = Operation::join(to[c], static_cast<double>(from[c]));
    }
  });

  context.pool.parallel_for(
      plan.outer * plan.inner, kTaskFloats / 4, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const double* part = parts + i / plan.inner * pieces * plan.inner + i % plan.inner;
          double result = part[0];
          for (std::int64_t piece = 1; piece < pieces; ++piece)
            result = Operation::join(result, part[piece * plan.inner]);
          output[i] = static_cast<float>(result / divisor);
        }
      });
}

}  // namespace

void run(const Reduce& k, Context& context) {
  const Plan plan = plan_of(k);
  // Reduced axes with kept ones between them, and reductions over nothing.
  if (k.output.dtype != DType::f32 || !plan.simple || k.input.elements() == 0) return reference::run(k);
  if (k.kind == ReduceKind::maximum) return reduce<Larger>(k, plan, 1, context);
  reduce<Add>(k, plan, k.kind == ReduceKind::mean ? static_cast<double>(plan.reduced) : 1, context);
}

}  // namespace tapeline::cpu::TAPELINE_ISA
