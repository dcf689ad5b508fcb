#include "engine/ops/activation.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/ops/harness.h"

namespace tapeline::testing {

TEST_CASE("activation: rows") {
  std::vector<Row> rows;
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{3, 5, 7}, Shape{0, 3}, Shape{129, 257}}) {
    const std::string of = fmt::format(" of {}", shape.text());
    const Input x = random(shape, -8, 8);
    rows.push_back({"relu" + of, {x}, [](const Inputs& in) { return relu(in[0]); }});
    rows.push_back({"relu6" + of, {x}, [](const Inputs& in) { return relu6(in[0]); }});
    rows.push_back({"leaky_relu" + of, {x}, [](const Inputs& in) { return leaky_relu(in[0], .01f); }});
    rows.push_back({"sigmoid" + of, {x}, [](const Inputs& in) { return sigmoid(in[0]); }});
    rows.push_back({"tanh" + of, {x}, [](const Inputs& in) { return tanh(in[0]); }});
  }
  rows.push_back(
      {"sigmoid far out", {random({64}, -200, 200)}, [](const Inputs& in) { return sigmoid(in[0]); }});
  rows.push_back({"tanh far out", {random({64}, -200, 200)}, [](const Inputs& in) { return tanh(in[0]); }});
  rows.push_back(
      {"tanh near zero", {random({64}, -1e-3, 1e-3)}, [](const Inputs& in) { return tanh(in[0]); }});
  check_rows(rows);
}

TEST_CASE("activation: by hand") {
  const Tensor x = f64({5}, {-2, -.5, 0, 3, 8});
  CHECK(differs(relu(x), {0, 0, 0, 3, 8}) == "");
  CHECK(differs(relu6(x), {0, 0, 0, 3, 6}) == "");
  CHECK(differs(leaky_relu(x, .25f), {-.5, -.125, 0, 3, 8}) == "");
  CHECK(differs(sigmoid(f64({2}, {0, std::log(3.0)})), {.5, .75}) == "");
  CHECK(differs(tanh(f64({2}, {0, std::log(2.0)})), {0, .6}) == "");
  // At 0 the gradient is that of the negative side; at 6 it is 0.
  const auto slope_at = [](double at, const Activation& function) {
    Tensor leaf = f64({1}, {at});
    leaf.set_requires_grad();
    activation(leaf, function).backward();
    return leaf.grad().item();
  };
  CHECK(slope_at(0, {ActivationKind::relu, 0}) == 0);
  CHECK(slope_at(0, {ActivationKind::leaky_relu, .25f}) == .25);
  CHECK(slope_at(6, {ActivationKind::relu6, 0}) == 0);
}

TEST_CASE("activation: wrong input") {
  check_wrong({
      {[] { relu({}); }, {"activation", "missing"}},
      {[] {
         tanh(zeros({2, 3}, DType::i32));
       },
       {"activation", "[2, 3]", "i32", "cast"}},
      {[] { leaky_relu(zeros({2}), 0); }, {"activation", "slope 0"}},
      {[] { leaky_relu(zeros({2}), -1); }, {"activation", "slope -1"}},
      {[] { leaky_relu(zeros({2}), NAN); }, {"activation", "slope nan"}},
  });
}

}  // namespace tapeline::testing
