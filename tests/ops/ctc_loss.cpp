#include "engine/ops/ctc_loss.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/ops/elementwise.h"
#include "engine/ops/log_softmax.h"
#include "engine/ops/reduce.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {
namespace {

// Operands: logits, labels, label lengths, and frames where there are any.
Row row(const std::string& name, Shape logits, std::int64_t longest,
        std::initializer_list<std::int32_t> labels, std::initializer_list<std::int32_t> lengths,
        std::vector<Input> frames = {}, int blank = 0) {
  std::vector<Input> inputs{random(logits, -3, 3), integers({logits[0], longest}, labels), integers(lengths)};
  inputs.insert(inputs.end(), frames.begin(), frames.end());
  return {fmt::format("ctc_loss {}", name), inputs, [blank](const Inputs& x) {
            return ctc_loss(x[0], x[1], x[2], x.size() > 3 ? x[3] : Tensor(), blank);
          }};
}

}  // namespace

TEST_CASE("ctc_loss: rows") {
  check_rows({
      row("one letter", {1, 4, 3}, 1, {1}, {1}),
      row("one frame, one letter", {1, 1, 3}, 1, {2}, {1}),
      row("empty label", {1, 5, 4}, 1, {3}, {0}),
      row("no labels at all", {2, 5, 4}, 0, {}, {0, 0}),
      row("two letters", {1, 5, 4}, 2, {1, 3}, {2}),
      row("repeated letter", {1, 6, 4}, 3, {2, 2, 1}, {3}),
      row("as long as it can be", {1, 4, 5}, 4, {1, 2, 3, 4}, {4}),
      row("repeats, as long as it can be", {1, 5, 3}, 3, {2, 2, 2}, {3}),
      row("a batch", {3, 9, 6}, 4, {1, 2, 3, 4, 5, 5, -7, 99, 3, 0, 0, 0}, {4, 2, 1}),
      row("frames", {4, 8, 6}, 3, {1, 2, 3, 4, 4, 0, 5, 0, 0, 9, 9, 9}, {3, 2, 1, 0},
          {integers({8, 3, 1, 0})}),
      row("blank last", {2, 6, 4}, 2, {0, 2, 1, 1}, {2, 2}, {}, 3),
      row("odd", {5, 19, 37}, 7, {1,  2, 3,  4,  5, 6, 7, 9, 9, 9, 9,  0,  0,  0,  36, 1, 36, 1,
                                  36, 1, 36, 12, 0, 0, 0, 0, 0, 0, 20, 21, 20, 20, 21, 0, 0},
          {7, 4, 7, 1, 5}),
      row("empty batch", {0, 5, 4}, 2, {}, {}),
      {"ctc_loss, mean over the batch",
       {random({2, 6, 4}), integers({2, 2}, {1, 2, 3, 3}), integers({2, 2})},
       [](const Inputs& x) { return mean(ctc_loss(x[0], x[1], x[2])); }},
      {"ctc_loss without gradient",
       {constant({2, 6, 4}), integers({2, 2}, {1, 2, 3, 3}), integers({2, 2})},
       [](const Inputs& x) { return ctc_loss(x[0], x[1], x[2]); }},
      {"ctc_loss of far logits",
       {random({2, 12, 5}, -90, 90), integers({2, 3}, {1, 2, 3, 4, 4, 1}), integers({3, 3})},
       [](const Inputs& x) { return ctc_loss(x[0], x[1], x[2]); },
       2e-5,
       false},
  });
}

TEST_CASE("ctc_loss: what cannot be aligned is infinite, and has no gradient") {
  Row impossible =
      row("impossible", {6, 4, 4}, 3,
          {1, 2, 3, 1, 1, 2, 2, 2, 2, 1, 4, 0, 1, 0, 0, 1, -1, 0},  // fits, fits, repeats, class 4, blank
          {3, 3, 3, 2, 2, 2}, {integers({4, 4, 4, 4, 4, 1})});
  impossible.smooth = false;
  check_rows({impossible});

  Tensor logits = counting({2, 2, 3});
  logits.set_requires_grad();
  const Tensor loss = ctc_loss(logits, i32({2, 2}, {1, 1, 1, 2}), i32({2, 2}));
  CHECK(values_of(loss)[0] == std::numeric_limits<double>::infinity());
  CHECK(std::isfinite(values_of(loss)[1]));
  mean(loss).backward();
  const Values grad = values_of(logits.grad());
  for (std::size_t i = 0; i < 6; ++i) CHECK(grad[i] == 0);
  for (std::size_t i = 6; i < 12; ++i) CHECK(grad[i] != 0);
}

TEST_CASE("ctc_loss: by hand") {
  // Two frames, blank and two letters, all equally likely: 9 paths. "a": aa, a-, -a. "ab": one. "": one.
  const Tensor even = zeros({3, 2, 3}, DType::f64);
  CHECK(differs(ctc_loss(even, i32({3, 2}, {1, 0, 1, 2, 0, 0}), i32({1, 2, 0})),
                {std::log(3), std::log(9), std::log(9)}) == "");
  // With one frame fewer "ab" does not fit, and "a" has the probability of one frame.
  CHECK(differs(ctc_loss(even, i32({3, 2}, {1, 0, 1, 2, 0, 0}), i32({1, 2, 0}), i32({1, 1, 0})),
                {std::log(3), std::numeric_limits<double>::infinity(), 0}) == "");
  // The gradient: softmax less the share of the paths that pass. Of aa, a-, -a two are a at each frame.
  Tensor logits = zeros({1, 2, 3}, DType::f64);
  logits.set_requires_grad();
  ctc_loss(logits, i32({1, 1}, {1}), i32({1})).backward();
  const double third = 1.0 / 3;
  CHECK(differs(logits.grad(), {0, -third, third, 0, -third, third}) == "");
}

TEST_CASE("log_softmax: rows") {
  const auto run = [](const Inputs& x) { return log_softmax(x[0]); };
  check_rows({
      {"log_softmax of one", {random({1})}, run},
      {"log_softmax of a row", {random({7}, -4, 4)}, run},
      {"log_softmax of a sequence", {random({2, 5, 37}, -4, 4)}, run},
      {"log_softmax of many rows", {random({301, 15}, -4, 4)}, run},
      {"log_softmax far out", {random({4, 9}, -300, 300)}, run},
      {"log_softmax of nothing", {random({0, 5})}, run},
  });
  CHECK(differs(log_softmax(f64({1, 3}, {0, 0, std::log(2)})), {-std::log(4), -std::log(4), -std::log(2)}) ==
        "");
}

TEST_CASE("ctc_loss and log_softmax: wrong input") {
  const Tensor x = zeros({2, 5, 4}), labels = i32({2, 1}, {1, 2}), lengths = i32({1, 1});
  check_wrong({
      {[&] { ctc_loss({}, labels, lengths); }, {"ctc_loss", "logits", "missing"}},
      {[&] {
         ctc_loss(zeros({5, 4}), labels, lengths);
       },
       {"ctc_loss", "[5, 4]", "[N, T, C]"}},
      {[&] { ctc_loss(x, {}, lengths); }, {"ctc_loss", "labels", "missing"}},
      {[&] {
         ctc_loss(x, i32({1, 2}), lengths);
       },
       {"ctc_loss", "labels [2]", "[N, L]"}},
      {[&] {
         ctc_loss(x, i32({1, 2}, {1, 2}), lengths);
       },
       {"ctc_loss", "labels", "[1, 2]", "[2, L]"}},
      {[&] {
         ctc_loss(x, zeros({2, 1}), lengths);
       },
       {"ctc_loss", "labels", "f32", "i32"}},
      {[&] { ctc_loss(x, labels, i32({1})); }, {"ctc_loss", "label lengths", "[1]", "[2]"}},
      {[&] { ctc_loss(x, labels, {}); }, {"ctc_loss", "label lengths", "missing"}},
      {[&] {
         ctc_loss(x, labels, lengths, i32({1, 2, 3}));
       },
       {"ctc_loss", "frames", "[3]"}},
      {[&] { ctc_loss(x, labels, lengths, {}, 4); }, {"ctc_loss", "blank 4", "4 classes"}},
      {[&] { ctc_loss(x, labels, lengths, {}, -1); }, {"ctc_loss", "blank -1"}},
      {[&] { log_softmax({}); }, {"log_softmax", "missing"}},
      {[&] { log_softmax(zeros({})); }, {"log_softmax", "[]"}},
      {[&] {
         log_softmax(zeros({3, 0}));
       },
       {"log_softmax", "[3, 0]"}},
      {[&] { log_softmax(zeros({3}, DType::i32)); }, {"log_softmax", "i32"}},
  });
}

}  // namespace tapeline::testing
