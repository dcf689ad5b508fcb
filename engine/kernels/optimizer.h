#pragma once

// One update of all parameters of a group in one kernel. Everything is f32. p, g: parameter and gradient, lr:
// learning rate, wd: decoupled weight decay unless said otherwise. The gradient is first multiplied by
// *gradient_scale (clipping, loss scaling) where that is present; where that is 0 the update is left out.
// Lists run in parallel: parameters[k], gradients[k] and its moments have the same shape. What changes from
// step to step is read from `hyper`, so that a recorded step can be replayed: f32 [3]: learning rate, 1 -
// beta1^t, 1 - beta2^t.

#include <string_view>
#include <vector>

#include "engine/storage.h"

namespace tapeline {

/// The loss was multiplied by s = *loss_scale, 1 where that is absent, and every gradient with it.
/// norm = sqrt(sum of all squares) / s; scale = (norm > limit ? limit / norm : 1) / s (1 / s where limit is
/// 0). Not finite: norm says so, and scale is 0, so that no update spreads it.
struct GlobalNorm {
  static constexpr std::string_view name = "global_norm";
  std::vector<View> gradients;
  View norm, scale;  // f32 []
  float limit = 0;
  View loss_scale = {};  // f32 [], optional

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    for (const View& g : gradients) in(g);
    in(loss_scale), out(norm), out(scale);
  }
  double flops() const {
    double n = 0;
    for (const View& g : gradients) n += static_cast<double>(g.elements());
    return 2 * n;
  }
};

/// What the four update kernels share.
struct OptimizerGroup {
  std::vector<View> parameters, gradients;
  std::vector<View> first, second;  // moments; empty where a method has none
  View hyper;                       // f32 [3]
  View gradient_scale;              // f32 [], optional
  float weight_decay = 0;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    for (const auto* list : {&parameters, &gradients, &first, &second})
      for (const View& v : *list) in(v);
    in(hyper), in(gradient_scale);
    for (const auto* list : {&parameters, &first, &second})
      for (const View& v : *list) out(v);
  }
  double elements() const {
    double n = 0;
    for (const View& p : parameters) n += static_cast<double>(p.elements());
    return n;
  }
};

/// g += wd p; v = momentum v + g; p -= lr (nesterov ? g + momentum v : v). `first` is v, absent where
/// momentum is 0.
struct SgdStep {
  static constexpr std::string_view name = "sgd_step";
  OptimizerGroup group;
  float momentum = 0;
  bool nesterov = false;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    group.views(in, out);
  }
  double flops() const { return 6 * group.elements(); }
};

/// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon). Decoupled (AdamW, Loshchilov and Hutter
/// 2019): p *= 1 - lr wd before that; otherwise (Adam, Kingma and Ba 2015) g += wd p. `first` is m, `second`
/// v.
struct AdamStep {
  static constexpr std::string_view name = "adam_step";
  OptimizerGroup group;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  bool decoupled = false;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    group.views(in, out);
  }
  double flops() const { return 14 * group.elements(); }
};

/// g += wd p; v = decay v + (1 - decay) g^2; m = momentum m + g / (sqrt(v) + epsilon); p -= lr m (PyTorch's
/// form). `second` is v; `first` is m, absent where momentum is 0.
struct RmsPropStep {
  static constexpr std::string_view name = "rmsprop_step";
  OptimizerGroup group;
  float decay = 0.99f, momentum = 0, epsilon = 1e-8f;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    group.views(in, out);
  }
  double flops() const { return 9 * group.elements(); }
};

/// g += wd p; v = decay v + (1 - decay) g^2; d = sqrt(u + epsilon) / sqrt(v + epsilon) g; u = decay u + (1 -
/// decay) d^2; p -= lr d (Zeiler 2012). `first` is u, `second` v.
struct AdadeltaStep {
  static constexpr std::string_view name = "adadelta_step";
  OptimizerGroup group;
  float decay = 0.9f, epsilon = 1e-6f;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    group.views(in, out);
  }
  double flops() const { return 14 * group.elements(); }
};

}  // namespace tapeline
