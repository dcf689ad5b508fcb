#include "engine/ops/reduce.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/ops/harness.h"

namespace tapeline::testing {

TEST_CASE("reduce: rows") {
  using Function = Tensor (*)(const Tensor&, const std::vector<int>&, bool);
  const std::pair<const char*, Function> kOps[] = {{"sum", sum}, {"mean", mean}, {"maximum", maximum}};
  const std::pair<Shape, std::vector<int>> kTable[] = {
      {{7}, {0}},           {{3, 5}, {0}},      {{3, 5}, {1}},
      {{3, 5}, {-1, 0}},    {{2, 3, 4}, {1}},   {{2, 3, 4}, {0, 2}},
      {{2, 3, 4}, {}},      {{1, 1, 1}, {1}},   {{2, 3, 2, 5}, {2}},
      {{131, 37}, {0}},     {{37, 131}, {1}},   {{0, 3}, {1}},
      {{2, 1, 3}, {1, -1}}, {{19, 7, 33}, {1}}, {{2, 2, 2, 2, 3}, {0, 2, 4}}};
  std::vector<Row> rows;
  for (const auto& [name, run] : kOps)
    for (const auto& [shape, axes] : kTable)
      for (const bool keep : {false, true})
        rows.push_back({fmt::format("{} of {} over [{}]{}", name, shape.text(), fmt::join(axes, ", "),
                                    keep ? ", kept" : ""),
                        {random(shape)},
                        [f = run, a = axes, keep](const Inputs& x) { return f(x[0], a, keep); }});
  rows.push_back({"sum of all", {random({3, 4})}, [](const Inputs& x) { return sum(x[0]); }});
  rows.push_back({"mean of all", {random({3, 4})}, [](const Inputs& x) { return mean(x[0]); }});
  rows.push_back({"maximum of all", {random({3, 4})}, [](const Inputs& x) { return maximum(x[0]); }});
  rows.push_back({"sum of a scalar", {random({})}, [](const Inputs& x) { return sum(x[0]); }});
  rows.push_back({"sum of nothing", {random({0, 3})}, [](const Inputs& x) { return sum(x[0], {0}); }});
  check_rows(rows);
}

TEST_CASE("reduce: by hand") {
  const Tensor x = counting({2, 3});
  CHECK(differs(sum(x, {0}), {5, 7, 9}) == "");
  CHECK(differs(mean(x, {1}), {2, 5}) == "");
  CHECK(differs(maximum(x, {-1}), {3, 6}) == "");
  CHECK(sum(x).item() == 21);
  CHECK(mean(x).item() == 3.5);
  CHECK(maximum(x).item() == 6);
  CHECK(sum(x, {0}).shape() == Shape{3});
  CHECK(sum(x, {0}, true).shape() == Shape{1, 3});
  CHECK(sum(x).shape() == Shape{});
  CHECK(std::isnan(mean(zeros({0})).item()));
  CHECK(maximum(zeros({0})).item() == -std::numeric_limits<double>::infinity());
}

TEST_CASE("reduce: the largest share the gradient") {
  Tensor x = f64({2, 3}, {1, 4, 4, 7, 2, 3});
  x.set_requires_grad();
  maximum(x, {1}).backward(f64({2}, {1, 10}));
  CHECK(differs(x.grad(), {0, .5, .5, 10, 0, 0}) == "");
}

TEST_CASE("reduce: wrong input") {
  const Tensor x = zeros({2, 3});
  check_wrong({
      {[&] { sum({}); }, {"sum", "missing"}},
      {[&] { sum(x, {2}); }, {"sum", "[2, 3]", "axis 2"}},
      {[&] { mean(x, {-3}); }, {"mean", "[2, 3]", "axis -3"}},
      {[&] {
         maximum(x, {0, -2});
       },
       {"maximum", "[2, 3]", "axis 0", "twice"}},
      {[&] { mean(zeros({2}, DType::i32)); }, {"mean", "i32", "cast"}},
  });
}

}  // namespace tapeline::testing
