// One element at a time: what a method keeps of each parameter is loaded, its rule applied, the result
// stored.

#include <cmath>

#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {
namespace {

struct Element {
  double p, g;           // parameter, gradient
  double first, second;  // moments, 0 where the method has none
};

// Calls rule(element, learning rate) for each element of the group.
template <typename Rule>
void update(const OptimizerGroup& group, Rule&& rule) {
  const double learning_rate = group.hyper.data<float>()[0];
  const double scale = group.gradient_scale ? *group.gradient_scale.data<float>() : 1;
  if (scale == 0) return;
  for (std::size_t k = 0; k < group.parameters.size(); ++k) {
    float* p = group.parameters[k].data<float>();
    const float* g = group.gradients[k].data<float>();
    float* first = group.first.empty() ? nullptr : group.first[k].data<float>();
    float* second = group.second.empty() ? nullptr : group.second[k].data<float>();
    for (std::int64_t i = 0; i < group.parameters[k].elements(); ++i) {
      Element e{p[i], scale * g[i], first ? first[i] : 0.0, second ? second[i] : 0.0};
      rule(e, learning_rate);
      p[i] = e.p;
      if (first) first[i] = e.first;
      if (second) second[i] = e.second;
    }
  }
}

}  // namespace

void run(const GlobalNorm& k) {
  double squares = 0;
  for (const View& gradient : k.gradients)
    for (std::int64_t i = 0; i < gradient.elements(); ++i) {
      const double g = gradient.data<float>()[i];
      squares += g * g;
    }
  const float loss_scale = k.loss_scale ? *k.loss_scale.data<float>() : 1;
  const float norm = std::sqrt(squares) / loss_scale;
  *k.norm.data<float>() = norm;
  float& scale = *k.scale.data<float>();
  if (!std::isfinite(norm))
    scale = 0;
  else
    scale = (k.limit > 0 && norm > k.limit ? k.limit / norm : 1) / loss_scale;
}

void run(const SgdStep& k) {
  update(k.group, [&](Element& e, double learning_rate) {
    const double g = e.g + k.group.weight_decay * e.p;
    e.first = k.momentum * e.first + g;
    e.p -= learning_rate * (k.nesterov ? g + k.momentum * e.first : e.first);
  });
}

void run(const AdamStep& k) {
  const double correction1 = k.group.hyper.data<float>()[1], correction2 = k.group.hyper.data<float>()[2];
  const double beta1 = k.beta1, beta2 = k.beta2;
  update(k.group, [&](Element& e, double learning_rate) {
    double g = e.g;
    if (k.decoupled)
      e.p *= 1 - learning_rate * k.group.weight_decay;
    else
      g += k.group.weight_decay * e.p;
    e.first = beta1 * e.first + (1 - beta1) * g;
    e.second = beta2 * e.second + (1 - beta2) * g * g;
    e.p -= learning_rate * (e.first / correction1) / (std::sqrt(e.second / correction2) + k.epsilon);
  });
}

void run(const RmsPropStep& k) {
  const double decay = k.decay;
  update(k.group, [&](Element& e, double learning_rate) {
    const double g = e.g + k.group.weight_decay * e.p;
    e.second = decay * e.second + (1 - decay) * g * g;
    e.first = k.momentum * e.first + g / (std::sqrt(e.second) + k.epsilon);
    e.p -= learning_rate * e.first;
  });
}

void run(const AdadeltaStep& k) {
  const double decay = k.decay, epsilon = k.epsilon;
  update(k.group, [&](Element& e, double learning_rate) {
    const double g = e.g + k.group.weight_decay * e.p;
    e.second = decay * e.second + (1 - decay) * g * g;
    const double step = std::sqrt(e.first + epsilon) / std::sqrt(e.second + epsilon) * g;
    e.first = decay * e.first + (1 - decay) * step * step;
    e.p -= learning_rate * step;
  });
}

}  // namespace tapeline::reference
