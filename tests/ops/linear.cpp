#include "engine/ops/linear.h"

#include <doctest/doctest.h>

#include "engine/ops/activation.h"
#include "engine/ops/matmul.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {
namespace {

Row layer(const std::string& name, Shape x, std::int64_t out, const Activation& function = {}) {
  return {fmt::format("linear {}", name),
          {random(x), random({x[-1], out}), random({out})},
          [function](const Inputs& in) { return linear(in[0], in[1], in[2], function); }};
}

Row product(const std::string& name, Shape a, Shape b, bool transpose_a = false, bool transpose_b = false) {
  return {fmt::format("matmul {}", name), {random(a), random(b)}, [=](const Inputs& x) {
            return matmul(x[0], x[1], transpose_a, transpose_b);
          }};
}

}  // namespace

TEST_CASE("linear: rows") {
  const Input x = random({3, 4}), w = random({4, 5}), b = random({5});
  const Input x0 = constant({3, 4}), w0 = constant({4, 5}), b0 = constant({5});
  const auto run = [](const Inputs& in) { return linear(in[0], in[1], in[2]); };
  check_rows({
      layer("one by one", {1, 1}, 1),
      layer("a vector", {5}, 3),
      layer("a sequence", {2, 7, 19}, 23),
      layer("four axes", {2, 3, 2, 5}, 4),
      layer("one row, wide", {1, 33}, 130),
      layer("deep and tall", {170, 400}, 35),
      layer("to one", {9, 17}, 1),
      layer("empty batch", {0, 4}, 3),
      layer("empty sequence", {2, 0, 4}, 3),
      layer("relu", {6, 7}, 9, {ActivationKind::relu, 0}),
      layer("leaky ReLU", {6, 7}, 17, {ActivationKind::leaky_relu, .2f}),
      layer("sigmoid", {6, 7}, 5, {ActivationKind::sigmoid, 0}),
      layer("tanh", {6, 7}, 5, {ActivationKind::tanh, 0}),
      {"linear for x", {x, w0, b0}, run},
      {"linear for the weight", {x0, w, b0}, run},
      {"linear for the bias", {x0, w0, b}, run},
      {"linear without bias", {x, w}, [](const Inputs& in) { return linear(in[0], in[1]); }},
      {"linear, relu after it",
       {x, w, b},
       [](const Inputs& in) { return relu(linear(in[0], in[1], in[2])); }},
  });
}

TEST_CASE("matmul: rows") {
  check_rows({
      product("plain", {3, 4}, {4, 5}),
      product("first transposed", {4, 3}, {4, 5}, true, false),
      product("second transposed", {3, 4}, {5, 4}, false, true),
      product("both transposed", {4, 3}, {5, 4}, true, true),
      product("odd", {37, 41}, {41, 43}),
      product("odd, first transposed", {41, 37}, {41, 43}, true, false),
      product("odd, second transposed", {37, 41}, {43, 41}, false, true),
      product("odd, both transposed", {41, 37}, {43, 41}, true, true),
      product("one inner", {5, 1}, {1, 6}),
      product("no inner", {3, 0}, {0, 4}),
      product("no rows", {0, 3}, {3, 4}),
      product("no columns", {3, 4}, {4, 0}),
      product("row by column", {1, 65}, {65, 1}),
      {"matmul for the first",
       {random({3, 4}), constant({4, 5})},
       [](const Inputs& x) { return matmul(x[0], x[1]); }},
      {"matmul for the second",
       {constant({3, 4}), random({4, 5})},
       [](const Inputs& x) { return matmul(x[0], x[1]); }},
      {"matmul with itself",
       {random({4, 4})},
       [](const Inputs& x) { return matmul(x[0], x[0], true, false); }},
  });
}

TEST_CASE("linear and matmul: rows in bf16 and fp16") {
  check_rows_in_half({
      layer("one by one", {1, 1}, 1),
      layer("a vector", {5}, 3),
      layer("a sequence", {2, 7, 19}, 23),
      layer("one row, wide", {1, 33}, 130),
      layer("deep and tall", {170, 600}, 35),
      layer("very many rows", {2303, 33}, 35),
      layer("empty batch", {0, 4}, 3),
      layer("tall tiles", {11100, 9}, 130),
      product("odd", {37, 41}, {41, 43}),
      product("odd, first transposed", {41, 37}, {41, 43}, true, false),
      product("odd, second transposed", {37, 41}, {43, 41}, false, true),
      product("odd, both transposed", {41, 37}, {43, 41}, true, true),
      product("one inner", {5, 1}, {1, 6}),
      product("no inner", {3, 0}, {0, 4}),
      product("row by column", {1, 1025}, {1025, 1}),
  });
}

TEST_CASE("linear and matmul: by hand") {
  const Tensor x = f64({2, 2}, {1, 2, 3, 4}), w = f64({2, 3}, {1, 0, 2, 0, 1, 3});
  CHECK(differs(linear(x, w, f64({3}, {10, 20, 30})), {11, 22, 38, 13, 24, 48}) == "");
  CHECK(differs(matmul(x, w), {1, 2, 8, 3, 4, 18}) == "");
  CHECK(differs(matmul(x, x, true, false), {10, 14, 14, 20}) == "");
  CHECK(differs(matmul(x, x, false, true), {5, 11, 11, 25}) == "");
}

TEST_CASE("linear and matmul: wrong input") {
  const Tensor x = zeros({2, 3, 4}), w = zeros({4, 5}), a = zeros({2, 3}), b = zeros({3, 4});
  check_wrong({
      {[&] { linear({}, w); }, {"linear", "x is missing"}},
      {[&] { linear(x, {}); }, {"linear", "weight is missing"}},
      {[&] { linear(zeros({}), w); }, {"linear", "scalar"}},
      {[&] {
         linear(x, zeros({3, 5}));
       },
       {"linear", "[3, 5]", "[2, 3, 4]", "must be 4"}},
      {[&] {
         linear(x, zeros({4, 5, 1}));
       },
       {"linear", "[4, 5, 1]", "[in, out]"}},
      {[&] { linear(x, w, zeros({4})); }, {"linear", "bias", "[4]", "[5]"}},
      {[&] {
         linear(x, zeros({4, 5}, DType::f64));
       },
       {"linear", "f64", "f32"}},
      {[&] {
         linear(zeros({2, 4}, DType::f16), w);
       },
       {"linear", "f16", "cast"}},
      {[&] {
         matmul(a, zeros({2, 4}));
       },
       {"matmul", "[2, 3]", "[2, 4]", "inner"}},
      {[&] { matmul(a, b, true); }, {"matmul", "[2, 3] (transposed)", "[3, 4]"}},
      {[&] { matmul(x, b); }, {"matmul", "[2, 3, 4]", "matrix"}},
      {[&] {
         matmul(a, zeros({3, 4}, DType::f64));
       },
       {"matmul", "f64"}},
  });
}

}  // namespace tapeline::testing
