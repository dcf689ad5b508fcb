#include "engine/ops/lstm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/concatenate.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/slice.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {
namespace {

struct Size {
  std::int64_t batch, steps, features, hidden;
};

// Operands: x, w_ih, w_hh, bias, and frames where there are any.
Row row(const std::string& name, const Size& s, const LstmOptions& options = {},
        std::vector<Input> frames = {}) {
  const std::int64_t d = options.directions, h = s.hidden;
  std::vector<Input> inputs{random({s.batch, s.steps, s.features}), random({s.features, d * 4 * h}),
                            random({d, h, 4 * h}, -.6, .6), random({d * 4 * h})};
  inputs.insert(inputs.end(), frames.begin(), frames.end());
  return {fmt::format("lstm {}", name), inputs, [options](const Inputs& x) {
            return lstm(x[0], x[1], x[2], x[3], options, x.size() > 4 ? x[4] : Tensor());
          }};
}

const LstmOptions kReverse{.reverse = true}, kBoth{.directions = 2};
const LstmOptions kSum{.directions = 2, .merge = LstmMerge::sum};

}  // namespace

TEST_CASE("lstm: rows") {
  check_rows({
      row("one of each", {1, 1, 1, 1}),
      row("forward", {2, 5, 3, 4}),
      row("reverse", {2, 5, 3, 4}, kReverse),
      row("both", {2, 5, 3, 4}, kBoth),
      row("summed", {2, 5, 3, 4}, kSum),
      row("one unit, both", {3, 4, 2, 1}, kBoth),
      row("one step, both", {3, 1, 4, 5}, kBoth),
      row("odd, both", {5, 6, 7, 17}, kBoth),
      row("wide", {3, 4, 5, 37}),
      row("many", {19, 3, 5, 9}, kBoth),
      row("long, both", {1, 33, 3, 8}, kBoth),
      row("frames", {4, 5, 3, 4}, {}, {integers({5, 3, 1, 0})}),
      row("frames, reverse", {4, 5, 3, 4}, kReverse, {integers({2, 5, 0, 4})}),
      row("frames, both", {5, 6, 3, 17}, kBoth, {integers({6, 1, 4, 0, 5})}),
      row("frames, summed", {3, 4, 3, 2}, kSum, {integers({1, 4, 3})}),
      row("empty batch", {0, 3, 2, 2}, kBoth),
      row("no steps", {2, 0, 2, 2}, kBoth),
  });
}

TEST_CASE("lstm: rows in bf16 and fp16") {
  // The states and the gradients that go back from step to step are rounded on their way: 8 bits in bf16.
  std::vector<Row> rows{row("both", {2, 5, 3, 4}, kBoth),
                        row("odd, both", {5, 6, 7, 17}, kBoth),
                        row("wide", {3, 4, 5, 37}),
                        row("many", {19, 3, 5, 9}, kBoth),
                        row("frames, both", {5, 6, 3, 17}, kBoth, {integers({6, 1, 4, 0, 5})}),
                        row("deep", {2, 3, 5, 260}, kBoth)};
  for (Row& r : rows) r.tolerance = 1e-2;
  check_rows_in_half(rows);
}

TEST_CASE("lstm: only the gradients that are wanted") {
  const auto run = [](const Inputs& x) { return lstm(x[0], x[1], x[2], x[3], kBoth); };
  const Input x = random({2, 3, 2}), w = random({2, 24}), h = random({2, 3, 12}), b = random({24});
  const Input x0 = constant({2, 3, 2}), w0 = constant({2, 24}), h0 = constant({2, 3, 12}),
              b0 = constant({24});
  check_rows({
      {"lstm for x", {x, w0, h0, b0}, run},
      {"lstm for w_ih", {x0, w, h0, b0}, run},
      {"lstm for w_hh", {x0, w0, h, b0}, run},
      {"lstm for the bias", {x0, w0, h0, b}, run},
      {"lstm for nothing", {x0, w0, h0, b0}, run},
      {"lstm without bias", {x, w, h}, [](const Inputs& in) { return lstm(in[0], in[1], in[2], {}, kBoth); }},
      {"lstm, two of them",
       {random({2, 4, 2}), random({2, 24}), random({2, 3, 12}), random({6, 16}), random({1, 4, 16}),
        integers({4, 2})},
       [](const Inputs& in) {
         return lstm(lstm(in[0], in[1], in[2], {}, kBoth, in[5]), in[3], in[4], {}, kReverse, in[5]);
       }},
  });
}

TEST_CASE("lstm: by hand") {
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  // One unit. The gates i, f, g, o get x * (1, 2, 3, 4), and h * (.1, .2, .3, .4) of the step before.
  const Tensor x = f64({1, 2, 1}, {.5, -.25}), w = f64({1, 4}, {1, 2, 3, 4}),
               u = f64({1, 1, 4}, {.1, .2, .3, .4});
  const double c0 = sigmoid(.5) * std::tanh(1.5), h0 = sigmoid(2) * std::tanh(c0);
  const double c1 = sigmoid(-.5 + .2 * h0) * c0 + sigmoid(-.25 + .1 * h0) * std::tanh(-.75 + .3 * h0);
  const double h1 = sigmoid(-1 + .4 * h0) * std::tanh(c1);
  CHECK(differs(lstm(x, w, u, {}), {h0, h1}) == "");
  // Read backward, the last frame comes first.
  const Tensor turned = f64({1, 2, 1}, {-.25, .5});
  CHECK(differs(lstm(turned, w, u, {}, kReverse), {h1, h0}) == "");
}

TEST_CASE("lstm: two directions are one and the other") {
  const Tensor x = scale(counting({2, 3, 2}), .1), w = scale(counting({2, 16}), .02),
               u = scale(counting({2, 2, 8}), -.02);
  const Tensor frames = i32({3, 2});
  const Tensor forth = lstm(x, slice(w, 1, 0, 8), slice(u, 0, 0, 1), {}, {}, frames);
  const Tensor back = lstm(x, slice(w, 1, 8, 16), slice(u, 0, 1, 2), {}, kReverse, frames);
  CHECK(differs(lstm(x, w, u, {}, kBoth, frames), values_of(concatenate({forth, back}, 2))) == "");
  CHECK(differs(lstm(x, w, u, {}, kSum, frames), values_of(forth + back)) == "");
}

TEST_CASE("lstm: a sequence is read the same alone and padded in a batch") {
  const Tensor w = f64({1, 8}, {1, 2, 3, 4, 4, 3, 2, 1}),
               u = f64({2, 1, 4}, {.1, .2, .3, .4, .4, .3, .2, .1});
  const Tensor alone = lstm(f64({1, 2, 1}, {.5, -.25}), w, u, {}, kBoth);
  const Tensor padded = lstm(f64({2, 3, 1}, {.5, -.25, 9, 1, 2, 3}), w, u, {}, kBoth, i32({2, 3}));
  CHECK(differs(slice(slice(padded, 0, 0, 1), 1, 0, 2), values_of(alone)) == "");
  CHECK(differs(slice(slice(padded, 0, 0, 1), 1, 2, 3), {0, 0}) == "");
}

TEST_CASE("lstm: wrong input") {
  const Tensor x = zeros({2, 5, 3}), w = zeros({3, 16}), u = zeros({1, 4, 16}), b = zeros({16});
  check_wrong({
      {[&] { lstm({}, w, u, b); }, {"lstm", "x is missing"}},
      {[&] {
         lstm(zeros({5, 3}), w, u, b);
       },
       {"lstm", "[5, 3]", "[N, T, C]"}},
      {[&] {
         lstm(x, zeros({4, 16}), u, b);
       },
       {"lstm", "w_ih", "[4, 16]", "[2, 5, 3]", "[3, 16]"}},
      {[&] {
         lstm(x, zeros({3, 12}), u, b);
       },
       {"lstm", "w_ih", "[3, 12]", "[1, 4, 16]"}},
      {[&] {
         lstm(x, w, zeros({1, 4, 12}), b);
       },
       {"lstm", "w_hh", "[1, 4, 12]"}},
      {[&] { lstm(x, w, u, b, kBoth); }, {"lstm", "w_hh", "[1, 4, 16]", "2 directions"}},
      {[&] {
         lstm(x, w, zeros({1, 0, 0}), b);
       },
       {"lstm", "w_hh", "[1, 0, 0]"}},
      {[&] { lstm(x, w, u, zeros({4})); }, {"lstm", "bias", "[4]", "[16]"}},
      {[&] { lstm(x, w, u, b, {.directions = 3}); }, {"lstm", "3 directions"}},
      {[&] { lstm(x, w, u, b, {.directions = 2, .reverse = true}); }, {"lstm", "reverse"}},
      {[&] {
         lstm(x, w, u, b, {}, i32({1, 2, 3}));
       },
       {"lstm", "frames", "[3]", "[2]"}},
      {[&] { lstm(x, w, u, b, {}, zeros({2})); }, {"lstm", "frames", "f32"}},
      {[&] {
         lstm(x, zeros({3, 16}, DType::f64), u, b);
       },
       {"lstm", "w_ih", "f64"}},
  });
}

}  // namespace tapeline::testing
