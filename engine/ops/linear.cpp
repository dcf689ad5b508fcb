#include "engine/ops/linear.h"

#include "engine/autograd.h"
#include "engine/ops/activation.h"
#include "engine/ops/check.h"
#include "engine/ops/reduce.h"
#include "engine/ops/reshape.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct LinearNode final : Node {
  View x, weight, output;
  Activation function;
  std::int64_t rows = 0;

  std::string_view name() const override { return "linear"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const std::int64_t inner = weight.shape[0], columns = weight.shape[1];
    const Tensor grad = activation_backward(function, output, grad_output);
    Tensor grad_x, grad_weight, grad_bias;
    if (needs(0)) {
      grad_x = Tensor::empty(grad.device(), x.shape, grad.dtype());
      submit(Gemm{.a = grad.view(),
                  .b = weight,
                  .bias = {},
                  .c = grad_x.view(),
                  .rows = rows,
                  .columns = inner,
                  .inner = columns,
                  .transpose_b = true,
                  .activation = {}});
    }
    if (needs(1)) {
      grad_weight = Tensor::empty(grad.device(), weight.shape, grad.dtype());
      submit(Gemm{.a = x,
                  .b = grad.view(),
                  .bias = {},
                  .c = grad_weight.view(),
                  .rows = inner,
                  .columns = columns,
                  .inner = rows,
                  .transpose_a = true,
                  .activation = {}});
    }
    if (needs(2)) grad_bias = sum(reshape(grad, {rows, columns}), {0});
    return {grad_x, grad_weight, grad_bias};
  }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Activation& function) {
  check_float("linear", "x", x);
  if (x.shape().rank() < 1) throw Error("linear: x is a scalar; it must have at least the axis [in]");
  check_like("linear", "weight", weight, x);
  check_rank("linear", "weight", weight, 2, "[in, out]");
  if (weight.extent(0) != x.extent(-1))
    throw Error("linear: weight {} does not fit x {}: its first extent must be {}, the last one of x",
                weight.shape().text(), x.shape().text(), x.extent(-1));
  const std::int64_t inner = weight.extent(0), columns = weight.extent(1);
  if (bias) check_vector("linear", "bias", bias, columns, x);
  check_activation("linear", function);

  std::int64_t rows = 1;
  for (int i = 0; i + 1 < x.shape().rank(); ++i) rows *= x.extent(i);
  const Tensor output = Tensor::empty(x.device(), with_extent(x.shape(), -1, columns), x.dtype());
  submit(Gemm{.a = x.view(),
              .b = weight.view(),
              .bias = bias.view(),
              .c = output.view(),
              .rows = rows,
              .columns = columns,
              .inner = inner,
              .activation = function});
  if (!wants_grad({x, weight, bias})) return output;

  auto node = std::make_shared<LinearNode>();
  node->x = x.view();
  node->weight = weight.view();
  if (function) node->output = output.view();
  node->function = function;
  node->rows = rows;
  return attach(output.view(), {x, weight, bias}, std::move(node));
}

}  // namespace tapeline
