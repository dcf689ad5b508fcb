#include "engine/ops/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/expand.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {

TEST_CASE("elementwise: two operands") {
  struct {
    const char* name;
    Tensor (*run)(const Tensor&, const Tensor&);
  } const kOps[] = {{"add", add},       {"subtract", subtract}, {"multiply", multiply},
                    {"divide", divide}, {"maximum", maximum},   {"minimum", minimum}};
  const std::pair<Shape, Shape> kShapes[] = {{{}, {}},
                                             {{1}, {7}},
                                             {{3, 5}, {3, 5}},
                                             {{3, 5}, {5}},
                                             {{5}, {3, 5}},
                                             {{2, 3, 4}, {}},
                                             {{2, 1, 4}, {3, 1}},
                                             {{2, 3, 4}, {3, 1}},
                                             {{0, 3}, {3}},
                                             {{0, 3}, {1, 1}},
                                             {{37, 129}, {129}},
                                             {{2, 3, 1, 5}, {4, 1}},
                                             {{1, 1}, {2, 3, 2, 2}}};
  std::vector<Row> rows;
  for (const auto& [name, run] : kOps)
    for (const auto& [a, b] : kShapes)
      rows.push_back({fmt::format("{} {} {}", name, a.text(), b.text()),
                      {random(a, -2, 2), random(b, .5, 2)},
                      [f = run](const Inputs& x) { return f(x[0], x[1]); }});
  check_rows(rows);
}

TEST_CASE("elementwise: one operand") {
  struct {
    const char* name;
    Tensor (*run)(const Tensor&);
    double low, high;
  } const kOps[] = {{"exp", exp, -3, 3},
                    {"log", log, .1, 5},
                    {"sqrt", sqrt, .1, 5},
                    {"square", square, -2, 2},
                    {"reciprocal", reciprocal, .3, 3},
                    {"abs", abs, -2, 2}};
  std::vector<Row> rows;
  for (const auto& [name, run, low, high] : kOps)
    for (const Shape& shape : {Shape{}, Shape{13}, Shape{0, 2}, Shape{131, 67}})
      rows.push_back({fmt::format("{} of {}", name, shape.text()),
                      {random(shape, low, high)},
                      [f = run](const Inputs& x) { return f(x[0]); }});
  rows.push_back({"sign", {constant({5, 7})}, [](const Inputs& x) { return sign(x[0]); }});
  rows.push_back({"scale", {random({5, 7})}, [](const Inputs& x) { return scale(x[0], -2.5, .75); }});
  check_rows(rows);
}

TEST_CASE("elementwise: operators, and an operand that is used twice") {
  check_rows({
      {"x * x - y / x + y",
       {random({4}, .5, 2), random({3, 1})},
       [](const Inputs& x) { return x[0] * x[0] - x[1] / x[0] + x[1]; }},
      {"operators with numbers",
       {random({5}, .5, 2)},
       [](const Inputs& x) {
         return (1.5 - x[0]) * 2 + (3 / x[0] - 1) / 4 - (.5 + x[0]) * -x[0] + 2 * x[0];
       }},
      {"a long chain",
       {random({2})},
       [](const Inputs& x) {
         Tensor y = x[0];
         for (int i = 0; i < 50; ++i) y = y * .9 + x[0];
         return y;
       }},
  });
}

TEST_CASE("elementwise: by hand") {
  const Tensor a = f64({2, 2}, {1, -2, 3, 4}), b = f64({2}, {2, -2});
  CHECK(differs(a + b, {3, -4, 5, 2}) == "");
  CHECK(differs(a - b, {-1, 0, 1, 6}) == "");
  CHECK(differs(a * b, {2, 4, 6, -8}) == "");
  CHECK(differs(a / b, {.5, 1, 1.5, -2}) == "");
  CHECK(differs(maximum(a, b), {2, -2, 3, 4}) == "");
  CHECK(differs(minimum(a, b), {1, -2, 2, -2}) == "");
  CHECK(differs(-a, {-1, 2, -3, -4}) == "");
  CHECK(differs(1 / b, {.5, -.5}) == "");
  CHECK(differs(10 - b, {8, 12}) == "");
  CHECK(differs(exp(f64({2}, {0, 1})), {1, std::exp(1)}) == "");
  CHECK(differs(abs(a), {1, 2, 3, 4}) == "");
  CHECK(differs(sign(f64({3}, {-2, 0, 5})), {-1, 0, 1}) == "");
}

TEST_CASE("elementwise: equals share the gradient of maximum and minimum") {
  Tensor a = f64({3}, {1, 2, 3}), b = f64({3}, {2, 2, 2});
  a.set_requires_grad(), b.set_requires_grad();
  maximum(a, b).backward(f64({3}, {1, 1, 1}));
  CHECK(differs(a.grad(), {0, .5, 1}) == "");
  CHECK(differs(b.grad(), {1, .5, 0}) == "");
}

TEST_CASE("elementwise: sign is cut off from the tape") {
  Tensor x = f64({1}, {3});
  x.set_requires_grad();
  CHECK(!sign(x).requires_grad());
}

TEST_CASE("expand and sum_to: rows") {
  const auto widen = [](Shape from, Shape to) {
    return Row{fmt::format("expand {} to {}", from.text(), to.text()), {random(from)}, [to](const Inputs& x) {
                 return scale(expand(x[0], to), 2);
               }};
  };
  const auto narrow = [](Shape from, Shape to) {
    return Row{fmt::format("sum {} to {}", from.text(), to.text()), {random(from)}, [to](const Inputs& x) {
                 return scale(sum_to(x[0], to), 2);
               }};
  };
  check_rows({widen({}, {2, 3}), widen({3, 1}, {2, 3, 4}), widen({2, 3}, {2, 3}), widen({1, 3}, {0, 3}),
              widen({1, 1, 2}, {4, 1, 3, 2}), narrow({2, 3}, {}), narrow({2, 3, 4}, {3, 1}),
              narrow({2, 3}, {2, 3}), narrow({0, 3}, {3}), narrow({4, 1, 3, 2}, {1, 1, 2})});
}

TEST_CASE("elementwise: wrong input") {
  const Tensor x = zeros({2, 3});
  check_wrong({
      {[&] { add(x, {}); }, {"add", "second operand", "missing"}},
      {[&] { add({}, x); }, {"add", "first operand", "missing"}},
      {[&] { x* zeros({2}); }, {"multiply", "[2, 3]", "[2]"}},
      {[&] {
         x - zeros({2, 3}, DType::f64);
       },
       {"subtract", "f64", "f32", "cast"}},
      {[&] { divide(zeros({2}, DType::i32), zeros({2}, DType::i32)); }, {"divide", "i32", "cast"}},
      {[&] { exp({}); }, {"exp", "missing"}},
      {[&] { log(zeros({3}, DType::u8)); }, {"log", "u8"}},
      {[&] {
         expand(x, {2, 4});
       },
       {"expand", "[2, 3]", "[2, 4]"}},
      {[&] { expand(x, {3}); }, {"expand", "[2, 3]", "[3]"}},
      {[&] {
         expand(x, {1, 3});
       },
       {"expand", "[2, 3]", "[1, 3]"}},
      {[&] { sum_to(x, {2}); }, {"sum_to", "[2, 3]", "[2]"}},
  });
}

}  // namespace tapeline::testing
