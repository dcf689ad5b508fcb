// Ops that move elements without changing them.

#include <doctest/doctest.h>

#include <limits>

#include "engine/ops/cast.h"
#include "engine/ops/columns_to_sequence.h"
#include "engine/ops/concatenate.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/mask_columns.h"
#include "engine/ops/pad.h"
#include "engine/ops/permute.h"
#include "engine/ops/reshape.h"
#include "engine/ops/slice.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {

TEST_CASE("reshape: rows") {
  const auto row = [](Shape from, std::vector<std::int64_t> to) {
    return Row{fmt::format("reshape {} to [{}]", from.text(), fmt::join(to, ", ")),
               {random(from)},
               [to](const Inputs& x) { return square(reshape(x[0], std::span<const std::int64_t>(to))); }};
  };
  check_rows({row({2, 3, 4}, {6, 4}), row({2, 3, 4}, {-1}), row({2, 3, 4}, {4, -1, 2}), row({1}, {}),
              row({}, {1, 1}), row({0, 4}, {0, 2, 2}), row({0, 4}, {-1, 4}), row({3, 1}, {1, -1})});
  CHECK(reshape(zeros({2, 3, 4}), {-1, 6}).shape() == Shape{4, 6});
}

TEST_CASE("reshape: it is a view") {
  const Tensor x = counting({2, 3}), y = reshape(x, {3, 2});
  CHECK(y.view().storage == x.view().storage);
  CHECK(values_of(y) == values_of(x));
}

TEST_CASE("permute: rows") {
  const auto row = [](Shape from, std::vector<int> axes) {
    return Row{fmt::format("permute {} by [{}]", from.text(), fmt::join(axes, ", ")),
               {random(from)},
               [axes](const Inputs& x) { return permute(x[0], axes); }};
  };
  check_rows({row({3, 5}, {1, 0}), row({2, 3, 4}, {2, 0, 1}), row({2, 3, 4}, {0, 1, 2}),
              row({2, 3, 4, 5}, {0, 2, 1, 3}), row({2, 1, 3, 2, 2, 2}, {5, 3, 1, 0, 2, 4}), row({7}, {0}),
              row({}, {}), row({2, 0, 3}, {1, 2, 0}), row({67, 131}, {1, 0}),
              row({2, 9, 31, 17}, {0, 2, 1, 3})});
  CHECK(differs(permute(counting({2, 3}), {1, 0}), {1, 4, 2, 5, 3, 6}) == "");
  CHECK(differs(permute(counting({1, 2, 3}), {2, 0, 1}), {1, 4, 2, 5, 3, 6}) == "");
}

TEST_CASE("columns_to_sequence: rows") {
  const auto row = [](Shape from) {
    return Row{fmt::format("columns_to_sequence {}", from.text()), {random(from)}, [](const Inputs& x) {
                 return scale(columns_to_sequence(x[0]), 2);
               }};
  };
  check_rows({row({2, 3, 4, 5}), row({2, 1, 4, 5}), row({1, 7, 1, 3}), row({0, 3, 4, 5})});
  const Tensor x = counting({1, 2, 3, 2});
  CHECK(columns_to_sequence(x).shape() == Shape{1, 3, 4});
  CHECK(differs(columns_to_sequence(x), {1, 2, 7, 8, 3, 4, 9, 10, 5, 6, 11, 12}) == "");
  const Tensor flat = counting({1, 1, 3, 2});
  CHECK(columns_to_sequence(flat).view().storage == flat.view().storage);
}

TEST_CASE("slice: rows") {
  const auto row = [](Shape from, int axis, int begin, int end) {
    return Row{fmt::format("slice {} axis {} from {} to {}", from.text(), axis, begin, end),
               {random(from)},
               [=](const Inputs& x) { return slice(x[0], axis, begin, end); }};
  };
  check_rows({row({7}, 0, 2, 5), row({7}, 0, 0, 7), row({7}, 0, 3, 3), row({3, 5}, 0, 1, 2),
              row({3, 5}, 1, 4, 5), row({3, 5}, -1, 0, 3), row({2, 3, 4, 5}, 2, 1, 3), row({0, 4}, 1, 1, 3),
              row({33, 65}, 1, 7, 40)});
  CHECK(differs(slice(counting({2, 4}), 1, 1, 3), {2, 3, 6, 7}) == "");
}

TEST_CASE("concatenate: rows") {
  const auto row = [](std::vector<Shape> shapes, int axis) {
    Row made{fmt::format("concatenate axis {}", axis), {}, [axis](const Inputs& x) {
               return concatenate(x, axis);
             }};
    for (const Shape& shape : shapes) {
      made.name += fmt::format(" {}", shape.text());
      made.inputs.push_back(random(shape));
    }
    return made;
  };
  check_rows({row({{3}, {4}}, 0), row({{2, 3}, {1, 3}, {4, 3}}, 0), row({{2, 3}, {2, 1}, {2, 2}}, 1),
              row({{2, 3, 2}, {2, 3, 5}}, -1), row({{2, 3}}, 0), row({{0, 3}, {2, 3}}, 0),
              row({{2, 0}, {2, 0}}, 1), row({{2, 5, 7, 3}, {2, 5, 7, 4}}, 3)});
  check_rows({{"concatenate, the second only",
               {constant({2, 3}), random({2, 2})},
               [](const Inputs& x) {
                 return concatenate({x[0], x[1]}, 1);
               }},
              {"concatenate with itself", {random({2, 3})}, [](const Inputs& x) {
                 return concatenate({x[0], x[0]}, 1);
               }}});
  CHECK(differs(concatenate({f64({2, 1}, {1, 2}), f64({2, 2}, {3, 4, 5, 6})}, 1), {1, 3, 4, 2, 5, 6}) == "");
  CHECK(concatenate({i32({1, 2}), i32({3})}, 0).to_vector<std::int32_t>() ==
        std::vector<std::int32_t>{1, 2, 3});
}

TEST_CASE("pad: rows") {
  const auto row = [](Shape from, std::vector<std::int64_t> before, std::vector<std::int64_t> after,
                      double value) {
    return Row{
        fmt::format("pad {} by [{}] and [{}]", from.text(), fmt::join(before, ", "), fmt::join(after, ", ")),
        {random(from)},
        [=](const Inputs& x) { return pad(x[0], before, after, value); }};
  };
  check_rows({row({3}, {1}, {2}, 0), row({2, 3}, {0, 1}, {2, 0}, -1.5), row({2, 3}, {0, 0}, {0, 0}, 1),
              row({2, 3, 4, 2}, {0, 1, 2, 0}, {0, 3, 1, 0}, 0), row({}, {}, {}, 0),
              row({0, 2}, {1, 0}, {1, 1}, 2)});
  CHECK(differs(pad(f64({1, 2}, {1, 2}), {1, 0}, {0, 1}, 9), {9, 9, 9, 1, 2, 9}) == "");
}

TEST_CASE("mask_columns: rows") {
  const auto run = [](const Inputs& x) { return mask_columns(x[0], x[1]); };
  check_rows({
      {"mask_columns", {random({4, 2, 5, 3}), integers({5, 3, 1, 0})}, run},
      {"mask_columns odd", {random({3, 3, 7, 19}), integers({2, 7, 6})}, run},
      {"mask_columns empty batch", {random({0, 2, 5, 3}), integers({})}, run},
  });
  CHECK(differs(mask_columns(counting({1, 2, 3, 1}), i32({2})), {1, 2, 0, 4, 5, 0}) == "");
  // What is masked is gone, not multiplied by zero.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(differs(mask_columns(f64({1, 1, 2, 1}, {5, nan}), i32({1})), {5, 0}) == "");
}

TEST_CASE("cast: rows") {
  const auto through = [](DType type) {
    return [type](const Inputs& x) { return cast(cast(square(x[0]), type), x[0].dtype()); };
  };
  // Whole numbers up to 2^7 survive all types; the gradient only has to survive f64.
  check_rows({{"cast to f64 and back", {random({5, 7})}, through(DType::f64)},
              {"cast to f32 and back", {random({5, 7})}, through(DType::f32), 2e-5, false},
              {"cast from integers", {integers({3}, {1, -2, 3})}, [](const Inputs& x) {
                 return cast(x[0], DType::f32);
               }}});
}

TEST_CASE("cast: by hand") {
  const Tensor x = f64({6}, {1.5, -2.75, 300, -7, 1e20, std::numeric_limits<double>::quiet_NaN()});
  CHECK(cast(x, DType::i32).to_vector<std::int32_t>() ==
        std::vector<std::int32_t>{1, -2, 300, -7, std::numeric_limits<std::int32_t>::max(), 0});
  CHECK(cast(x, DType::u8).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{1, 0, 255, 0, 255, 0});
  CHECK(differs(cast(cast(f64({3}, {1, 1.0009765625, 70000}), DType::f16), DType::f64),
                {1, 1.0009765625, std::numeric_limits<double>::infinity()}) == "");
  CHECK(differs(cast(cast(f64({3}, {1.0078125, 1.00390625, 70000}), DType::bf16), DType::f64),
                {1.0078125, 1, 70144}) == "");
  CHECK(cast(x, DType::f64).view().storage == x.view().storage);
  Tensor leaf = f64({1}, {3});
  leaf.set_requires_grad();
  CHECK(cast(leaf, DType::bf16).requires_grad());
  CHECK(!cast(leaf, DType::i32).requires_grad());
  cast(leaf, DType::f32).backward();
  CHECK(leaf.grad().dtype() == DType::f64);
  CHECK(leaf.grad().item() == 1);
}

TEST_CASE("shapes: wrong input") {
  const Tensor x = zeros({2, 3, 4}), image = zeros({2, 3, 4, 5});
  check_wrong({
      {[&] { reshape({}, {1}); }, {"reshape", "missing"}},
      {[&] {
         reshape(x, {5, 5});
       },
       {"reshape", "[2, 3, 4]", "24", "[5, 5]"}},
      {[&] {
         reshape(x, {-1, 7});
       },
       {"reshape", "[2, 3, 4]", "7"}},
      {[&] {
         reshape(x, {-1, 0});
       },
       {"reshape", "[2, 3, 4]", "0"}},
      {[&] {
         reshape(x, {-1, -1});
       },
       {"reshape", "[2, 3, 4]", "2 of"}},
      {[&] { permute({}, {0}); }, {"permute", "missing"}},
      {[&] {
         permute(x, {0, 1});
       },
       {"permute", "[0, 1]", "[2, 3, 4]"}},
      {[&] {
         permute(x, {0, 1, 1});
       },
       {"permute", "[0, 1, 1]", "[2, 3, 4]"}},
      {[&] {
         permute(x, {0, 1, 3});
       },
       {"permute", "[0, 1, 3]"}},
      {[&] {
         permute(x, {0, 1, -1});
       },
       {"permute", "[0, 1, -1]"}},
      {[&] { columns_to_sequence(x); }, {"columns_to_sequence", "[2, 3, 4]", "[N, H, W, C]"}},
      {[&] { slice({}, 0, 0, 1); }, {"slice", "missing"}},
      {[&] { slice(x, 3, 0, 1); }, {"slice", "[2, 3, 4]", "axis 3"}},
      {[&] { slice(x, 1, 0, 4); }, {"slice", "[2, 3, 4]", "0 to 4", "axis 1"}},
      {[&] { slice(x, 1, 2, 1); }, {"slice", "2 to 1"}},
      {[&] { slice(x, 1, -1, 1); }, {"slice", "-1 to 1"}},
      {[&] { slice(zeros({}), 0, 0, 1); }, {"slice", "[]", "axis 0"}},
      {[&] { concatenate({}, 0); }, {"concatenate", "no tensors"}},
      {[&] {
         concatenate({x, {}}, 0);
       },
       {"concatenate", "tensor 1", "missing"}},
      {[&] {
         concatenate({x, zeros({2, 4, 4})}, 0);
       },
       {"concatenate", "tensor 1", "[2, 4, 4]", "[2, 3, 4]", "axis 0"}},
      {[&] {
         concatenate({x, zeros({2, 3})}, 0);
       },
       {"concatenate", "[2, 3]"}},
      {[&] {
         concatenate({x, zeros({2, 3, 4}, DType::f64)}, 0);
       },
       {"concatenate", "f64", "f32"}},
      {[&] {
         pad(x, {1, 2}, {1, 2});
       },
       {"pad", "2 and 2", "[2, 3, 4]"}},
      {[&] {
         pad(x, {0, 0, -1}, {0, 0, 0});
       },
       {"pad", "axis 2", "[2, 3, 4]", "-1", "slice"}},
      {[&] {
         mask_columns(x, i32({1, 2}));
       },
       {"mask_columns", "[2, 3, 4]", "[N, H, W, C]"}},
      {[&] { mask_columns(image, i32({1})); }, {"mask_columns", "widths", "[1]", "[2]"}},
      {[&] { mask_columns(image, {}); }, {"mask_columns", "widths", "missing"}},
      {[&] { cast({}, DType::f32); }, {"cast", "missing"}},
  });
}

}  // namespace tapeline::testing
