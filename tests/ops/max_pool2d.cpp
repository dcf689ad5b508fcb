#include "engine/ops/max_pool2d.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/ops/harness.h"

namespace tapeline::testing {
namespace {

Row pool(const std::string& name, Shape input, const MaxPool2dOptions& options,
         std::vector<Input> widths = {}) {
  widths.insert(widths.begin(), random(input));
  return {fmt::format("max_pool2d {}", name), widths,
          [options](const Inputs& x) { return max_pool2d(x[0], options, x.size() > 1 ? x[1] : Tensor()); }};
}

}  // namespace

TEST_CASE("max_pool2d: rows") {
  const Padding valid = Padding::valid();
  check_rows({
      pool("2x2", {2, 4, 6, 3}, {}),
      pool("2x2 odd", {2, 5, 7, 3}, {}),
      pool("2x2 odd valid", {2, 5, 7, 3}, {.padding = valid}),
      pool("2x2 many channels", {2, 6, 10, 37}, {}),
      pool("2x1", {1, 4, 7, 2}, {.width = 1, .stride_w = 1}),
      pool("2x2 stride 2x1", {1, 6, 7, 2}, {.stride_w = 1}),
      pool("1x3 stride 1x2", {1, 2, 9, 5}, {.height = 1, .width = 3, .stride_h = 1}),
      pool("3x3 stride 1, windows overlap", {2, 4, 5, 3},
           {.height = 3, .width = 3, .stride_h = 1, .stride_w = 1}),
      pool("3x2 stride 2x3 valid", {1, 7, 8, 4}, {.height = 3, .stride_w = 3, .padding = valid}),
      pool("2x2 stride 3", {1, 7, 8, 2}, {.stride_h = 3, .stride_w = 3, .padding = valid}),
      pool("explicit padding", {1, 4, 5, 2}, {.padding = Padding::explicit_(1, 0, 0, 1)}),
      pool("all of it", {2, 3, 5, 2}, {.height = 3, .width = 5, .padding = valid}),
      pool("15x17", {1, 16, 18, 1}, {.height = 15, .width = 17, .padding = valid}),
      pool("one pixel", {1, 1, 1, 1}, {}),
      pool("empty batch", {0, 4, 4, 3}, {}),
      pool("widths", {4, 4, 7, 3}, {}, {integers({7, 4, 1, 0})}),
      pool("widths, windows overlap", {3, 4, 7, 17}, {.height = 3, .width = 3, .stride_h = 1, .stride_w = 1},
           {integers({5, 7, 2})}),
      pool("widths, empty batch", {0, 4, 4, 3}, {}, {integers({})}),
      {"max_pool2d without gradient",
       {constant({2, 5, 7, 3})},
       [](const Inputs& x) { return max_pool2d(x[0]); }},
  });
}

TEST_CASE("max_pool2d: by hand") {
  CHECK(differs(max_pool2d(counting({1, 3, 3, 1})), {5, 6, 8, 9}) == "");
  CHECK(differs(max_pool2d(counting({1, 3, 4, 1}), {.height = 1, .width = 3, .stride_h = 2, .stride_w = 1}),
                {2, 3, 4, 4, 10, 11, 12, 12}) == "");
  CHECK(differs(max_pool2d(counting({1, 3, 4, 1}), {.padding = Padding::explicit_(1, 0, 0, 0)}),
                {2, 4, 10, 12}) == "");
  CHECK(differs(max_pool2d(counting({1, 3, 4, 1}), {.padding = Padding::explicit_(0, 1, 1, 1)}),
                {5, 7, 8, 9, 11, 12}) == "");
  CHECK(differs(max_pool2d(counting({1, 2, 4, 1}), {}, i32({1})), {5, 0}) == "");
  // Padding never wins, however small the values are.
  CHECK(differs(max_pool2d(f64({1, 1, 1, 1}, {-9})), {-9}) == "");
  // The first of equals gets the gradient; a NaN wins.
  Tensor x = f64({1, 2, 2, 1}, {3, 3, 3, 1});
  x.set_requires_grad();
  max_pool2d(x).backward();
  CHECK(differs(x.grad(), {1, 0, 0, 0}) == "");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(max_pool2d(f64({1, 2, 2, 1}, {3, nan, 9, 1})).item()));
}

TEST_CASE("max_pool2d: wrong input") {
  const Tensor x = zeros({2, 5, 7, 4});
  check_wrong({
      {[&] { max_pool2d({}); }, {"max_pool2d", "missing"}},
      {[&] {
         max_pool2d(zeros({5, 7, 4}));
       },
       {"max_pool2d", "[5, 7, 4]", "[N, H, W, C]"}},
      {[&] { max_pool2d(x, {.height = 16, .width = 16}); }, {"max_pool2d", "16x16", "255"}},
      {[&] { max_pool2d(x, {.height = 6, .padding = Padding::valid()}); },
       {"max_pool2d", "height", "6", "5"}},
      {[&] { max_pool2d(x, {.width = 0}); }, {"max_pool2d", "width", "size 0"}},
      {[&] { max_pool2d(x, {.padding = Padding::explicit_(2, 0, 0, 0)}); },
       {"max_pool2d", "2x2", "padding 2"}},
      {[&] { max_pool2d(x, {.padding = Padding::explicit_(0, 0, 0, -1)}); }, {"max_pool2d", "-1"}},
      {[&] {
         max_pool2d(x, {}, i32({1, 2, 3}));
       },
       {"max_pool2d", "widths", "[3]", "[2]"}},
      {[&] { max_pool2d(x, {}, zeros({2})); }, {"max_pool2d", "widths", "f32", "i32"}},
      {[&] {
         max_pool2d(zeros({2, 5, 7, 4}, DType::i32));
       },
       {"max_pool2d", "i32", "cast"}},
  });
}

}  // namespace tapeline::testing
