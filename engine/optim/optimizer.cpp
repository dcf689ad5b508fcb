#include "engine/optim/optimizer.h"

#include <algorithm>
#include <cmath>

#include "engine/program.h"

namespace tapeline {

namespace {

bool has_first(const OptimizerMethod& m) {
  return (m.kind != OptimizerKind::sgd && m.kind != OptimizerKind::rmsprop) || m.momentum != 0;
}

bool has_second(const OptimizerMethod& m) { return m.kind != OptimizerKind::sgd; }

Kernel update_kernel(const OptimizerMethod& m, OptimizerGroup group) {
  switch (m.kind) {
    case OptimizerKind::sgd:
      return SgdStep{std::move(group), m.momentum, m.nesterov};
    case OptimizerKind::adam:
    case OptimizerKind::adamw:
      return AdamStep{std::move(group), m.beta1, m.beta2, m.epsilon, m.kind == OptimizerKind::adamw};
    case OptimizerKind::rmsprop:
      return RmsPropStep{std::move(group), m.decay, m.momentum, m.epsilon};
    case OptimizerKind::adadelta:
      return AdadeltaStep{std::move(group), m.decay, m.epsilon};
  }
  throw Error("optimizer: unknown method {}", static_cast<int>(m.kind));
}

View gradient_of(const NamedTensor& parameter) {
  const Tensor gradient = parameter.tensor.grad();
  if (!gradient)
    throw Error("optimizer: {} has no gradient; call backward() on a loss that depends on it, or freeze it",
                parameter.name);
  return gradient.view();
}

}  // namespace

Optimizer::Optimizer(const std::vector<NamedTensor>& parameters, const OptimizerMethod& method,
                     const std::vector<DecayRule>& rules, float clip_norm, bool scales_loss)
    : method_(method), clip_norm_(clip_norm) {
  if (recording()) throw Error("optimizer: make it before record(), so that its moments outlive the program");
  if (!(clip_norm >= 0))
    throw Error("optimizer: the norm to clip at is {}; it must be positive, or 0 for none", clip_norm);

  std::vector<bool> used(rules.size());
  Device device;
  for (const NamedTensor& parameter : parameters) {
    const auto rule =
        std::ranges::find_if(rules, [&](const DecayRule& r) { return matches(r.pattern, parameter.name); });
    if (rule != rules.end()) used[static_cast<std::size_t>(rule - rules.begin())] = true;
    const Tensor& tensor = parameter.tensor;
    if (!tensor.requires_grad()) continue;
    if (tensor.dtype() != DType::f32)
      throw Error("optimizer: {} is {}; parameters are trained in f32", parameter.name,
                  name_of(tensor.dtype()));
    if (!device) device = tensor.device();
    if (tensor.device() != device)
      throw Error("optimizer: {} is not on the device of {}; put them on one", parameter.name,
                  parameters[0].name);

    const float decay = rule == rules.end() ? 0 : rule->decay;
    auto group = std::ranges::find(groups_, decay, &Group::weight_decay);
    if (group == groups_.end()) group = groups_.insert(group, Group{decay, {}});
    const auto moment = [&](bool wanted) {
      return wanted ? Tensor::zeros(device, tensor.shape()) : Tensor();
    };
    group->slots.push_back({parameter, moment(has_first(method)), moment(has_second(method))});
  }
  if (groups_.empty()) throw Error("optimizer: none of {} parameters wants a gradient", parameters.size());
  for (std::size_t i = 0; i < rules.size(); ++i)
    if (!used[i])
      throw Error(
          "optimizer: weight decay: '{}' is the first rule for no parameter; they have names like '{}'",
          rules[i].pattern, parameters[0].name);

  hyper_ = Tensor::zeros(device, {3});
  if (scales_loss) loss_scale_ = Tensor::full(device, {}, 1);
  if (clip_norm > 0 || scales_loss) norm_ = Tensor::zeros(device, {}), scale_ = Tensor::full(device, {}, 1);
}

void Optimizer::prepare(std::int64_t step, double learning_rate, double loss_scale) const {
  if (step < 0) throw Error("optimizer: there is no step {}; they count from 0", step);
  const double t = static_cast<double>(step) + 1;
  const auto correction = [&](float beta) { return static_cast<float>(1 - std::pow(double{beta}, t)); };
  hyper_.upload(std::vector<float>{static_cast<float>(learning_rate), correction(method_.beta1),
                                   correction(method_.beta2)});
  if (loss_scale_) loss_scale_.upload(std::vector<float>{static_cast<float>(loss_scale)});
}

void Optimizer::step() const {
  if (norm_) {
    GlobalNorm norm{{}, norm_.view(), scale_.view(), clip_norm_};
    if (loss_scale_) norm.loss_scale = loss_scale_.view();
    for (const Group& group : groups_)
      for (const Slot& slot : group.slots) norm.gradients.push_back(gradient_of(slot.parameter));
    submit(std::move(norm));
  }
  for (const Group& group : groups_) {
    OptimizerGroup update;
    for (const Slot& slot : group.slots) {
      update.parameters.push_back(slot.parameter.tensor.view());
      update.gradients.push_back(gradient_of(slot.parameter));
      if (slot.first) update.first.push_back(slot.first.view());
      if (slot.second) update.second.push_back(slot.second.view());
    }
    update.hyper = hyper_.view();
    if (scale_) update.gradient_scale = scale_.view();
    update.weight_decay = group.weight_decay;
    submit(update_kernel(method_, std::move(update)));
  }
}

void Optimizer::zero_grad() const {
  for (const Group& group : groups_)
    for (const Slot& slot : group.slots) slot.parameter.tensor.set_grad({});
}

void Optimizer::collect(const std::string& prefix, State& state) const {
  for (const Group& group : groups_)
    for (const auto& [parameter, first, second] : group.slots) {
      if (first) state.buffers.push_back({join(prefix, "first." + parameter.name), first});
      if (second) state.buffers.push_back({join(prefix, "second." + parameter.name), second});
    }
}

}  // namespace tapeline
