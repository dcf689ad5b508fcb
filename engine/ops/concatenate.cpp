#include "engine/ops/concatenate.h"

#include "engine/autograd.h"
#include "engine/ops/box.h"
#include "engine/ops/check.h"
#include "engine/ops/reshape.h"
#include "engine/ops/slice.h"

namespace tapeline {
namespace {

struct ConcatenateNode final : Node {
  int axis = 0;
  std::vector<std::int64_t> ends;  // where each tensor ends in the output

  std::string_view name() const override { return "concatenate"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    std::vector<Tensor> grads(ends.size());
    for (std::size_t i = 0; i < ends.size(); ++i)
      if (needs(i)) grads[i] = slice(grad_output, axis, i == 0 ? 0 : ends[i - 1], ends[i]);
    return grads;
  }
};

}  // namespace

Tensor concatenate(const std::vector<Tensor>& tensors, int axis) {
  if (tensors.empty()) throw Error("concatenate: no tensors given; at least one is needed");
  const Tensor& first = tensors.front();
  check_defined("concatenate", "tensor 0", first);
  const int at = check_axis("concatenate", axis, first.shape());
  std::vector<std::int64_t> ends;
  for (const Tensor& x : tensors) {
    check_like("concatenate", fmt::format("tensor {}", ends.size()).c_str(), x, first);
    if (x.shape().rank() != first.shape().rank() ||
        with_extent(x.shape(), at, 0) != with_extent(first.shape(), at, 0))
      throw Error("concatenate: tensor {} {} does not fit tensor 0 {}: only axis {} may differ", ends.size(),
                  x.shape().text(), first.shape().text(), at);
    ends.push_back((ends.empty() ? 0 : ends.back()) + x.extent(at));
  }
  const Tensor output =
      Tensor::empty(first.device(), with_extent(first.shape(), at, ends.back()), first.dtype());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Strides to{};
    to[static_cast<std::size_t>(at)] = i == 0 ? 0 : ends[i - 1];
    copy_box(tensors[i].view(), Strides{}, output.view(), to, tensors[i].shape());
  }
  if (!wants_grad(tensors)) return output;

  auto node = std::make_shared<ConcatenateNode>();
  node->axis = at;
  node->ends = std::move(ends);
  return attach(output.view(), tensors, std::move(node));
}

}  // namespace tapeline
