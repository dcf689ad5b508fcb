#include "engine/ops/conv2d.h"

#include "engine/autograd.h"
#include "engine/ops/activation.h"
#include "engine/ops/check.h"
#include "engine/ops/reduce.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct Conv2dNode final : Node {
  View input, weight, output;
  Conv2dGeometry geometry;
  Activation function;

  std::string_view name() const override { return "conv2d"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const Tensor grad = activation_backward(function, output, grad_output);
    Tensor grad_input, grad_weight, grad_bias;
    if (needs(0)) {
      grad_input = Tensor::empty(grad.device(), input.shape, grad.dtype());
      submit(Conv2dBackwardInput{.grad_output = grad.view(),
                                 .weight = weight,
                                 .grad_input = grad_input.view(),
                                 .geometry = geometry});
    }
    if (needs(1)) {
      grad_weight = Tensor::empty(grad.device(), weight.shape, grad.dtype());
      if (needs(2)) grad_bias = Tensor::empty(grad.device(), {geometry.out_channels}, grad.dtype());
      submit(Conv2dBackwardWeight{.input = input,
                                  .grad_output = grad.view(),
                                  .grad_weight = grad_weight.view(),
                                  .grad_bias = grad_bias.view(),
                                  .geometry = geometry});
    } else if (needs(2)) {
      grad_bias = sum(grad, {0, 1, 2});
    }
    return {grad_input, grad_weight, grad_bias};
  }
};

Conv2dGeometry geometry_of(const Tensor& input, const Tensor& weight, const Conv2dOptions& options) {
  const char* op = "conv2d";
  Conv2dGeometry g;
  g.batch = checked_int(op, "batch", input.extent(0));
  g.in_height = checked_int(op, "height", input.extent(1));
  g.in_width = checked_int(op, "width", input.extent(2));
  g.in_channels = checked_int(op, "channels", input.extent(3));
  g.out_channels = checked_int(op, "channels of the output", weight.extent(3));
  g.groups = options.groups;
  if (g.groups < 1 || g.in_channels % g.groups != 0 || g.out_channels % g.groups != 0)
    throw Error("conv2d: {} groups do not divide the {} channels of input {} and the {} of weight {}",
                g.groups, g.in_channels, input.shape().text(), g.out_channels, weight.shape().text());
  if (weight.extent(2) != g.in_channels / g.groups)
    throw Error("conv2d: weight {} does not fit input {}: with {} groups its third extent must be {}",
                weight.shape().text(), input.shape().text(), g.groups, g.in_channels / g.groups);
  const int height = checked_int(op, "height of the window", weight.extent(0));
  const int width = checked_int(op, "width of the window", weight.extent(1));
  const WindowExtent rows = window_extent(op, "height", g.in_height, height, options.stride_h,
                                          options.dilation_h, options.padding.height);
  const WindowExtent columns = window_extent(op, "width", g.in_width, width, options.stride_w,
                                             options.dilation_w, options.padding.width);
  g.out_height = rows.output;
  g.out_width = columns.output;
  g.window = {height,
              width,
              options.stride_h,
              options.stride_w,
              options.dilation_h,
              options.dilation_w,
              rows.leading,
              columns.leading};
  return g;
}

}  // namespace

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  check_float("conv2d", "input", input);
  check_rank("conv2d", "input", input, 4, "[N, H, W, C]");
  check_like("conv2d", "weight", weight, input);
  check_rank("conv2d", "weight", weight, 4, "[height, width, C / groups, O]");
  if (bias) check_vector("conv2d", "bias", bias, weight.extent(3), input);
  check_activation("conv2d", options.activation);
  const Conv2dGeometry geometry = geometry_of(input, weight, options);

  const Tensor output = Tensor::empty(
      input.device(), {geometry.batch, geometry.out_height, geometry.out_width, geometry.out_channels},
      input.dtype());
  submit(Conv2dForward{.input = input.view(),
                       .weight = weight.view(),
                       .bias = bias.view(),
                       .output = output.view(),
                       .geometry = geometry,
                       .activation = options.activation});
  if (!wants_grad({input, weight, bias})) return output;

  auto node = std::make_shared<Conv2dNode>();
  node->input = input.view();
  node->weight = weight.view();
  if (options.activation) node->output = output.view();
  node->geometry = geometry;
  node->function = options.activation;
  return attach(output.view(), {input, weight, bias}, std::move(node));
}

}  // namespace tapeline
