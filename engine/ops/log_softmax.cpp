#include "engine/ops/log_softmax.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct LogSoftmaxNode final : Node {
  View output;

  std::string_view name() const override { return "log_softmax"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const Tensor grad_input = Tensor::empty(grad_output.device(), output.shape, output.dtype);
    submit(LogSoftmaxBackward{
        .output = output, .grad_output = grad_output.view(), .grad_input = grad_input.view()});
    return {grad_input};
  }
};

}  // namespace

Tensor log_softmax(const Tensor& x) {
  check_float("log_softmax", "x", x);
  if (x.shape().rank() < 1 || x.extent(-1) == 0)
    throw Error("log_softmax: x {} has no classes; [..., C] with C > 0 is wanted", x.shape().text());
  const Tensor output = Tensor::empty(x.device(), x.shape(), x.dtype());
  submit(LogSoftmaxForward{.input = x.view(), .output = output.view()});
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<LogSoftmaxNode>();
  node->output = output.view();
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace tapeline
