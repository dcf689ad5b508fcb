// All tensors of a group are one row of tasks, so that a step is one loop whatever the tensors' sizes.

#include "backends/cpu/lanes.h"
#include "backends/cpu/sum_in_double.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

TAPELINE_INLINE std::int64_t tasks_of(const View& view) { return (view.elements() + kGrain - 1) / kGrain; }

/// Calls body(tensor, begin, end, task) for the pieces of all tensors in `views`.
template <typename Body>
TAPELINE_INLINE std::int64_t for_pieces(const std::vector<View>& views, Context& context, Body body) {
  std::int64_t tasks = 0;
  for (const View& view : views) tasks += tasks_of(view);
  context.pool.parallel_for(tasks, 1, [&](std::int64_t task, std::int64_t) {
    std::size_t tensor = 0;
    std::int64_t piece = task;
    for (; piece >= tasks_of(views[tensor]); ++tensor) piece -= tasks_of(views[tensor]);
    body(tensor, piece * kGrain, std::min((piece + 1) * kGrain, views[tensor].elements()), task);
  });
  return tasks;
}

/// What a rule works on: parameter, gradient, moments.
struct Element {
  Vec p, g, first, second;
};

/// Calls rule(element) for every vector of the group.
template <typename Rule>
TAPELINE_INLINE void update(const OptimizerGroup& group, Context& context, Rule rule) {
  const float scale = group.gradient_scale ? *group.gradient_scale.data<float>() : 1;
  if (scale == 0) return;
  for_pieces(group.parameters, context,
             [&](std::size_t tensor, std::int64_t begin, std::int64_t end, std::int64_t) {
               float* p = group.parameters[tensor].data<float>();
               const float* g = group.gradients[tensor].data<float>();
               float* first = group.first.empty() ? nullptr : group.first[tensor].data<float>();
               float* second = group.second.empty() ? nullptr : group.second[tensor].data<float>();
               for_vectors(
                   begin, end, [=](std::int64_t i, auto lanes) __attribute__((always_inline)) {
                     Element e{load(p + i, lanes), load(g + i, lanes) * scale, Vec(), Vec()};
                     if (first) e.first = load(first + i, lanes);
                     if (second) e.second = load(second + i, lanes);
                     rule(e);
                     store(p + i, e.p, lanes);
                     if (first) store(first + i, e.first, lanes);
                     if (second) store(second + i, e.second, lanes);
                   });
             });
}

}  // namespace

void run(const GlobalNorm& k, Context& context) {
  std::int64_t elements = 0;
  for (const View& gradient : k.gradients) elements += gradient.elements() + kGrain;
  auto* sums = static_cast<double*>(
      context.scratch.shared(2, static_cast<std::size_t>(elements / kGrain + 1) * sizeof(double)));
  const std::int64_t tasks = for_pieces(
      k.gradients, context, [&](std::size_t tensor, std::int64_t begin, std::int64_t end, std::int64_t task) {
        sums[task] = sum_in_double(
            k.gradients[tensor].data<float>() + begin, end - begin,
            [](double g) __attribute__((always_inline)) { return g * g; });
      });
  double squares = 0;
  for (std::int64_t i = 0; i < tasks; ++i) squares += sums[i];
  const float loss_scale = k.loss_scale ? *k.loss_scale.data<float>() : 1;
  const auto norm = static_cast<float>(__builtin_sqrt(squares) / loss_scale);
  *k.norm.data<float>() = norm;
  float& scale = *k.scale.data<float>();
  if (!__builtin_isfinite(norm))
    scale = 0;
  else
    scale = (k.limit > 0 && norm > k.limit ? k.limit / norm : 1) / loss_scale;
}

void run(const SgdStep& k, Context& context) {
  const Vec rate(k.group.hyper.data<float>()[0]), decay(k.group.weight_decay), momentum(k.momentum);
  const bool nesterov = k.nesterov;
  update(
      k.group, context, [=](Element & e) __attribute__((always_inline)) {
        const Vec g = fma(decay, e.p, e.g);
        e.first = fma(momentum, e.first, g);
        e.p -= rate * (nesterov ? fma(momentum, e.first, g) : e.first);
      });
}

void run(const AdamStep& k, Context& context) {
  const float* hyper = k.group.hyper.data<float>();
  const Vec rate(hyper[0] / hyper[1]), correction(1 / hyper[2]), epsilon(k.epsilon);
  const Vec beta1(k.beta1), beta2(k.beta2), rest1(1 - k.beta1), rest2(1 - k.beta2);
  const Vec keep(k.decoupled ? 1 - hyper[0] * k.group.weight_decay : 1);
  const Vec decay(k.decoupled ? 0 : k.group.weight_decay);
  update(
      k.group, context, [=](Element & e) __attribute__((always_inline)) {
        const Vec g = fma(decay, e.p, e.g);
        e.first = fma(beta1, e.first, rest1 * g);
        e.second = fma(beta2, e.second, rest2 * g * g);
        e.p = e.p * keep - rate * e.first / (sqrt(e.second * correction) + epsilon);
      });
}

void run(const RmsPropStep& k, Context& context) {
  const Vec rate(k.group.hyper.data<float>()[0]), weight_decay(k.group.weight_decay), epsilon(k.epsilon);
  const Vec decay(k.decay), rest(1 - k.decay), momentum(k.momentum);
  update(
      k.group, context, [=](Element & e) __attribute__((always_inline)) {
        const Vec g = fma(weight_decay, e.p, e.g);
        e.second = fma(decay, e.second, rest * g * g);
        e.first = fma(momentum, e.first, g / (sqrt(e.second) + epsilon));
        e.p -= rate * e.first;
      });
}

void run(const AdadeltaStep& k, Context& context) {
  const Vec rate(k.group.hyper.data<float>()[0]), weight_decay(k.group.weight_decay), epsilon(k.epsilon);
  const Vec decay(k.decay), rest(1 - k.decay);
  update(
      k.group, context, [=](Element & e) __attribute__((always_inline)) {
        const Vec g = fma(weight_decay, e.p, e.g);
        e.second = fma(decay, e.second, rest * g * g);
        const Vec step = sqrt((e.first + epsilon) / (e.second + epsilon)) * g;
        e.first = fma(decay, e.first, rest * step * step);
        e.p -= rate * step;
      });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
