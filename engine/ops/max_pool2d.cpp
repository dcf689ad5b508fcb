#include "engine/ops/max_pool2d.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct MaxPool2dNode final : Node {
  View choice;
  Shape input_shape;
  Window2d window;

  std::string_view name() const override { return "max_pool2d"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const Tensor grad_input = Tensor::empty(grad_output.device(), input_shape, grad_output.dtype());
    submit(MaxPool2dBackward{.choice = choice,
                             .grad_output = grad_output.view(),
                             .grad_input = grad_input.view(),
                             .window = window});
    return {grad_input};
  }
};

void check_window(const MaxPool2dOptions& o) {
  if (std::int64_t{o.height} * o.width > 255)
    throw Error("max_pool2d: a window of {}x{} has more than 255 elements; pool twice instead", o.height,
                o.width);
  const AxisPadding &h = o.padding.height, &w = o.padding.width;
  if (h.before >= o.height || h.after >= o.height || w.before >= o.width || w.after >= o.width)
    throw Error(
        "max_pool2d: padding {}, {}, {}, {} (top, bottom, left, right) must be smaller than the window of "
        "{}x{}, "
        "or some windows see padding only",
        h.before, h.after, w.before, w.after, o.height, o.width);
}

}  // namespace

Tensor max_pool2d(const Tensor& input, const MaxPool2dOptions& options, const Tensor& widths) {
  check_float("max_pool2d", "input", input);
  check_rank("max_pool2d", "input", input, 4, "[N, H, W, C]");
  if (widths) check_lengths("max_pool2d", "widths", widths, input.extent(0), input);
  const WindowExtent rows = window_extent("max_pool2d", "height", input.extent(1), options.height,
                                          options.stride_h, 1, options.padding.height);
  const WindowExtent columns = window_extent("max_pool2d", "width", input.extent(2), options.width,
                                             options.stride_w, 1, options.padding.width);
  check_window(options);
  const Window2d window{options.height, options.width,  options.stride_h, options.stride_w, 1, 1,
                        rows.leading,   columns.leading};

  const Shape shape{input.extent(0), rows.output, columns.output, input.extent(3)};
  const Tensor output = Tensor::empty(input.device(), shape, input.dtype());
  const bool wanted = wants_grad({input});
  const Tensor choice = wanted ? Tensor::empty(input.device(), shape, DType::u8) : Tensor();
  submit(MaxPool2dForward{.input = input.view(),
                          .widths = widths.view(),
                          .output = output.view(),
                          .choice = choice.view(),
                          .window = window});
  if (!wanted) return output;

  auto node = std::make_shared<MaxPool2dNode>();
  node->choice = choice.view();
  node->input_shape = input.shape();
  node->window = window;
  return attach(output.view(), {input}, std::move(node));
}

}  // namespace tapeline
