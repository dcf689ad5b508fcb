#include "engine/ops/activation.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct ActivationNode final : Node {
  View output;
  Activation function;

  std::string_view name() const override { return "activation"; }
  std::vector<Tensor> backward(const Tensor& grad_output) override {
    return {activation_backward(function, output, grad_output)};
  }
};

}  // namespace

Tensor activation(const Tensor& x, const Activation& function) {
  check_float("activation", "x", x);
  check_activation("activation", function);
  if (!function) return x;
  const Tensor output = Tensor::empty(x.device(), x.shape(), x.dtype());
  submit(ActivationForward{.input = x.view(), .output = output.view(), .activation = function});
  if (!wants_grad({x})) return output;
  auto node = std::make_shared<ActivationNode>();
  node->output = output.view();
  node->function = function;
  return attach(output.view(), {x}, std::move(node));
}

Tensor relu(const Tensor& x) { return activation(x, {ActivationKind::relu, 0}); }
Tensor relu6(const Tensor& x) { return activation(x, {ActivationKind::relu6, 0}); }
Tensor leaky_relu(const Tensor& x, float slope) { return activation(x, {ActivationKind::leaky_relu, slope}); }
Tensor sigmoid(const Tensor& x) { return activation(x, {ActivationKind::sigmoid, 0}); }
Tensor tanh(const Tensor& x) { return activation(x, {ActivationKind::tanh, 0}); }

Tensor activation_backward(const Activation& function, const View& output, const Tensor& grad_output) {
  if (!function) return grad_output;
  const Tensor grad_input = Tensor::empty(grad_output.device(), grad_output.shape(), grad_output.dtype());
  submit(ActivationBackward{.output = output,
                            .grad_output = grad_output.view(),
                            .grad_input = grad_input.view(),
                            .activation = function});
  return grad_input;
}

}  // namespace tapeline
