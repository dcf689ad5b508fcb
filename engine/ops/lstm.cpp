#include "engine/ops/lstm.h"

// The projection of the input is an ordinary linear() over all time steps; what is new is the recurrence.

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/ops/linear.h"
#include "engine/ops/reduce.h"
#include "engine/ops/reshape.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct LstmNode final : Node {
  View w_hh, frames, output, gates, cells;
  LstmGeometry geometry;

  std::string_view name() const override { return "lstm"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const Tensor grad_gates_in = Tensor::empty(grad_output.device(), gates.shape, grad_output.dtype());
    const Tensor grad_w_hh =
        needs(1) ? Tensor::empty(grad_output.device(), w_hh.shape, grad_output.dtype()) : Tensor();
    submit(LstmBackward{.w_hh = w_hh,
                        .frames = frames,
                        .output = output,
                        .gates = gates,
                        .cells = cells,
                        .grad_output = grad_output.view(),
                        .grad_gates_in = grad_gates_in.view(),
                        .grad_w_hh = grad_w_hh.view(),
                        .geometry = geometry});
    return {grad_gates_in, grad_w_hh};
  }
};

// gates_in [N, T, D, 4H] to [N, T, D * H]
Tensor recur(const Tensor& gates_in, const Tensor& w_hh, const Tensor& frames, const LstmGeometry& geometry) {
  const std::int64_t n = geometry.batch, t = geometry.steps, d = geometry.directions, h = geometry.hidden;
  const auto make = [&](const Shape& shape) {
    return Tensor::empty(gates_in.device(), shape, gates_in.dtype());
  };
  const bool wanted = wants_grad({gates_in, w_hh});
  const Tensor output = make({n, t, d * h});
  const Tensor gates = wanted ? make({n, t, d, 4 * h}) : Tensor();
  const Tensor cells = wanted ? make({n, t, d, h}) : Tensor();
  submit(LstmForward{.gates_in = gates_in.view(),
                     .w_hh = w_hh.view(),
                     .frames = frames.view(),
                     .output = output.view(),
                     .gates = gates.view(),
                     .cells = cells.view(),
                     .geometry = geometry});
  if (!wanted) return output;

  auto node = std::make_shared<LstmNode>();
  node->w_hh = w_hh.view();
  node->frames = frames.view();
  node->output = output.view();
  node->gates = gates.view();
  node->cells = cells.view();
  node->geometry = geometry;
  return attach(output.view(), {gates_in, w_hh}, std::move(node));
}

}  // namespace

Tensor lstm(const Tensor& x, const Tensor& w_ih, const Tensor& w_hh, const Tensor& bias,
            const LstmOptions& options, const Tensor& frames) {
  check_float("lstm", "x", x);
  check_rank("lstm", "x", x, 3, "[N, T, C]");
  if (options.directions != 1 && options.directions != 2)
    throw Error("lstm: {} directions; 1 or 2 are possible", options.directions);
  if (options.reverse && options.directions == 2)
    throw Error("lstm: reverse is for one direction; two run both ways anyway");
  check_like("lstm", "w_hh", w_hh, x);
  check_rank("lstm", "w_hh", w_hh, 3, "[D, H, 4H]");
  const std::int64_t d = options.directions, h = w_hh.extent(1);
  if (w_hh.shape() != Shape{d, h, 4 * h} || h == 0)
    throw Error("lstm: w_hh {} is not [D, H, 4H] with D = {} directions and H > 0", w_hh.shape().text(), d);
  check_like("lstm", "w_ih", w_ih, x);
  if (w_ih.shape() != Shape{x.extent(2), d * 4 * h})
    throw Error("lstm: w_ih {} does not fit x {} and w_hh {}: it must be {}", w_ih.shape().text(),
                x.shape().text(), w_hh.shape().text(), Shape{x.extent(2), d * 4 * h}.text());
  if (bias) check_vector("lstm", "bias", bias, d * 4 * h, x);
  if (frames) check_lengths("lstm", "frames", frames, x.extent(0), x);

  LstmGeometry geometry;
  geometry.batch = checked_int("lstm", "batch", x.extent(0));
  geometry.steps = checked_int("lstm", "number of steps", x.extent(1));
  geometry.hidden = checked_int("lstm", "number of units", h);
  geometry.directions = options.directions;
  geometry.reverse = options.reverse;

  const Tensor gates_in = reshape(linear(x, w_ih, bias), Shape{x.extent(0), x.extent(1), d, 4 * h});
  const Tensor output = recur(gates_in, w_hh, frames, geometry);
  if (options.directions == 1 || options.merge == LstmMerge::concatenate) return output;
  return sum(reshape(output, Shape{x.extent(0), x.extent(1), d, h}), {2});
}

}  // namespace tapeline
