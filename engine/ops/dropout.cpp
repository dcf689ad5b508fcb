#include "engine/ops/dropout.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

Tensor dropped(const Tensor& x, const View& state, std::uint32_t stream, float rate) {
  const Tensor output = Tensor::empty(x.device(), x.shape(), x.dtype());
  submit(Dropout{.input = x.view(), .output = output.view(), .state = state, .stream = stream, .rate = rate});
  return output;
}

struct DropoutNode final : Node {
  View state;
  std::uint32_t stream = 0;
  float rate = 0;

  std::string_view name() const override { return "dropout"; }
  std::vector<Tensor> backward(const Tensor& grad_output) override {
    return {dropped(grad_output, state, stream, rate)};
  }
};

}  // namespace

Tensor dropout(const Tensor& x, float rate, const Tensor& state, std::uint32_t stream) {
  check_float("dropout", "x", x);
  if (!(rate >= 0 && rate < 1)) throw Error("dropout: rate {} must be at least 0 and below 1", rate);
  check_defined("dropout", "state", state);
  if (state.dtype() != DType::i32 || state.shape() != Shape{3} || state.device() != x.device())
    throw Error(
        "dropout: state is {} {}; i32 [3] (seed low, seed high, step) on the device of x {} is wanted",
        name_of(state.dtype()), state.shape().text(), x.shape().text());
  if (x.elements() > std::int64_t{1} << 34)
    throw Error("dropout: x {} has more than 2^34 elements; split it", x.shape().text());
  if (rate == 0) return x;
  const Tensor output = dropped(x, state.view(), stream, rate);
  if (!wants_grad({x})) return output;

  auto node = std::make_shared<DropoutNode>();
  node->state = state.view();
  node->stream = stream;
  node->rate = rate;
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace tapeline
