#include "engine/ops/batch_norm.h"

#include "engine/autograd.h"
#include "engine/ops/activation.h"
#include "engine/ops/check.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/mask_columns.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct BatchNormNode final : Node {
  View input, widths, scale, mean, inv_dev, output;
  Activation function;

  std::string_view name() const override { return "batch_norm"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const auto wanted = [&](std::size_t i, const Shape& shape) {
      return needs(i) ? Tensor::empty(grad_output.device(), shape, grad_output.dtype()) : Tensor();
    };
    const Tensor grad_input = wanted(0, input.shape);
    const Tensor grad_scale = wanted(1, mean.shape);
    const Tensor grad_offset = wanted(2, mean.shape);
    submit(BatchNormBackward{.input = input,
                             .widths = widths,
                             .scale = scale,
                             .mean = mean,
                             .inv_dev = inv_dev,
                             .output = output,
                             .grad_output = grad_output.view(),
                             .grad_input = grad_input.view(),
                             .grad_scale = grad_scale.view(),
                             .grad_offset = grad_offset.view(),
                             .activation = function});
    return {grad_input, grad_scale, grad_offset};
  }
};

void check(const char* op, const Tensor& input, const Tensor& scale, const Tensor& offset,
           const Tensor& running_mean, const Tensor& running_variance, const BatchNormOptions& options,
           const Tensor& widths) {
  check_float(op, "input", input);
  check_rank(op, "input", input, 4, "[N, H, W, C]");
  const std::int64_t channels = input.extent(3);
  if (scale) check_vector(op, "scale", scale, channels, input);
  if (offset) check_vector(op, "offset", offset, channels, input);
  if (running_mean) check_vector(op, "running mean", running_mean, channels, input);
  if (running_variance) check_vector(op, "running variance", running_variance, channels, input);
  if (widths) check_lengths(op, "widths", widths, input.extent(0), input);
  if (!(options.epsilon > 0)) throw Error("{}: epsilon {} must be positive", op, options.epsilon);
  if (!(options.momentum >= 0 && options.momentum <= 1))
    throw Error("{}: momentum {} must be from 0 to 1: it is the share of the old value", op,
                options.momentum);
  check_activation(op, options.activation);
}

}  // namespace

Tensor batch_norm_training(const Tensor& input, const Tensor& scale, const Tensor& offset,
                           const Tensor& running_mean, const Tensor& running_variance,
                           const BatchNormOptions& options, const Tensor& widths) {
  check("batch_norm_training", input, scale, offset, running_mean, running_variance, options, widths);
  const Shape channels{input.extent(3)};
  const Tensor output = Tensor::empty(input.device(), input.shape(), input.dtype());
  const Tensor mean = Tensor::empty(input.device(), channels, input.dtype());
  const Tensor inv_dev = Tensor::empty(input.device(), channels, input.dtype());
  submit(BatchNormTraining{.input = input.view(),
                           .widths = widths.view(),
                           .scale = scale.view(),
                           .offset = offset.view(),
                           .running_mean = running_mean.view(),
                           .running_variance = running_variance.view(),
                           .output = output.view(),
                           .mean = mean.view(),
                           .inv_dev = inv_dev.view(),
                           .epsilon = options.epsilon,
                           .momentum = options.momentum,
                           .activation = options.activation});
  if (!wants_grad({input, scale, offset})) return output;

  auto node = std::make_shared<BatchNormNode>();
  node->input = input.view();
  node->widths = widths.view();
  node->scale = scale.view();
  node->mean = mean.view();
  node->inv_dev = inv_dev.view();
  if (options.activation) node->output = output.view();
  node->function = options.activation;
  return attach(output.view(), {input, scale, offset}, std::move(node));
}

Tensor batch_norm_inference(const Tensor& input, const Tensor& scale, const Tensor& offset,
                            const Tensor& running_mean, const Tensor& running_variance,
                            const BatchNormOptions& options, const Tensor& widths) {
  const char* op = "batch_norm_inference";
  check(op, input, scale, offset, running_mean, running_variance, options, widths);
  check_defined(op, "running mean", running_mean);
  check_defined(op, "running variance", running_variance);
  if (wants_grad({input, scale, offset})) {
    Tensor factor = reciprocal(sqrt(running_variance.detach() + options.epsilon));
    if (scale) factor = scale * factor;
    Tensor y = (input - running_mean.detach()) * factor;
    if (offset) y = y + offset;
    y = activation(y, options.activation);
    return widths ? mask_columns(y, widths) : y;
  }
  const Tensor output = Tensor::empty(input.device(), input.shape(), input.dtype());
  submit(BatchNormInference{.input = input.view(),
                            .widths = widths.view(),
                            .scale = scale.view(),
                            .offset = offset.view(),
                            .running_mean = running_mean.view(),
                            .running_variance = running_variance.view(),
                            .output = output.view(),
                            .epsilon = options.epsilon,
                            .activation = options.activation});
  return output;
}

}  // namespace tapeline
