#include "engine/ops/batch_norm.h"

#include <doctest/doctest.h>

#include "engine/ops/concatenate.h"
#include "engine/ops/elementwise.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {
namespace {

// Operands: input, scale, offset, and widths where there are any.
Row training(const std::string& name, Shape input, const BatchNormOptions& options = {},
             std::vector<Input> widths = {}) {
  std::vector<Input> inputs{random(input, -2, 3), random({input[3]}, .5, 2), random({input[3]})};
  inputs.insert(inputs.end(), widths.begin(), widths.end());
  return {fmt::format("batch_norm_training {}", name), inputs, [options](const Inputs& x) {
            return batch_norm_training(x[0], x[1], x[2], {}, {}, options, x.size() > 3 ? x[3] : Tensor());
          }};
}

// Operands: input, scale, offset, running mean, running variance, and widths where there are any.
Row inference(const std::string& name, Shape input, const BatchNormOptions& options = {},
              std::vector<Input> widths = {}, bool differentiated = true) {
  const Shape channels{input[3]};
  std::vector<Input> inputs{random(input, -2, 3), random(channels, .5, 2), random(channels),
                            constant(channels), constant(channels, .2, 2)};
  for (int i = 0; i < 3; ++i) inputs[static_cast<std::size_t>(i)].differentiated = differentiated;
  inputs.insert(inputs.end(), widths.begin(), widths.end());
  return {fmt::format("batch_norm_inference {}", name), inputs, [options](const Inputs& x) {
            return batch_norm_inference(x[0], x[1], x[2], x[3], x[4], options,
                                        x.size() > 5 ? x[5] : Tensor());
          }};
}

const BatchNormOptions kLeaky{.activation = {ActivationKind::leaky_relu, .1f}};

}  // namespace

TEST_CASE("batch_norm: training") {
  check_rows({
      training("small", {2, 3, 4, 2}),
      training("odd channels", {2, 3, 5, 37}),
      training("one channel", {3, 2, 3, 1}),
      training("one row", {4, 1, 1, 5}),
      training("large", {4, 7, 23, 33}),
      training("epsilon", {2, 3, 4, 3}, {.epsilon = .1f}),
      training("relu", {2, 3, 4, 3}, {.activation = {ActivationKind::relu, 0}}),
      training("leaky ReLU", {2, 3, 5, 19}, kLeaky),
      training("tanh", {2, 3, 4, 3}, {.activation = {ActivationKind::tanh, 0}}),
      training("widths", {3, 2, 6, 3}, {}, {integers({6, 2, 0})}),
      training("widths, leaky ReLU", {3, 2, 7, 17}, kLeaky, {integers({1, 7, 4})}),
      training("empty batch", {0, 3, 4, 2}),
      {"batch_norm_training without scale and offset",
       {random({2, 3, 4, 3})},
       [](const Inputs& x) { return batch_norm_training(x[0], {}, {}, {}, {}); }},
      {"batch_norm_training for the input only",
       {random({2, 3, 4, 3}), constant({3}), constant({3})},
       [](const Inputs& x) { return batch_norm_training(x[0], x[1], x[2], {}, {}); }},
      {"batch_norm_training for scale and offset only",
       {constant({2, 3, 4, 3}), random({3}), random({3})},
       [](const Inputs& x) { return batch_norm_training(x[0], x[1], x[2], {}, {}, kLeaky); }},
      {"batch_norm_training for nothing",
       {constant({2, 3, 4, 3}), constant({3}), constant({3})},
       [](const Inputs& x) { return batch_norm_training(x[0], x[1], x[2], {}, {}); }},
  });
}

TEST_CASE("batch_norm: running statistics") {
  const auto statistics = [](const Inputs& x) {
    batch_norm_training(x[0], {}, {}, x[1], x[2], {.momentum = .7f}, x.size() > 3 ? x[3] : Tensor());
    return concatenate({scale(x[1], 1), scale(x[2], 1)}, 0);
  };
  const Input x = constant({2, 3, 5, 7}, -1, 2), mean = constant({7}), variance = constant({7}, .5, 2);
  check_rows({
      {"batch_norm_training, running statistics", {x, mean, variance}, statistics},
      {"batch_norm_training, running statistics, widths", {x, mean, variance, integers({2, 5})}, statistics},
  });
}

TEST_CASE("batch_norm: inference") {
  check_rows({
      inference("small", {2, 3, 4, 2}),
      inference("odd channels", {2, 3, 5, 37}),
      inference("leaky ReLU", {2, 3, 4, 5}, kLeaky),
      inference("widths", {3, 2, 6, 3}, {}, {integers({6, 2, 0})}),
      inference("widths, leaky ReLU", {3, 2, 7, 5}, kLeaky, {integers({1, 7, 4})}),
      inference("empty batch", {0, 3, 4, 2}),
      inference("no gradient", {2, 3, 5, 37}, kLeaky, {}, false),
      inference("no gradient, widths", {3, 2, 7, 5}, {.epsilon = .1f}, {integers({1, 7, 0})}, false),
      inference("no gradient, empty batch", {0, 3, 4, 2}, {}, {}, false),
      {"batch_norm_inference without scale and offset",
       {random({2, 3, 4, 3}), constant({3}), constant({3}, .5, 2)},
       [](const Inputs& x) { return batch_norm_inference(x[0], {}, {}, x[1], x[2]); }},
      {"batch_norm_inference without gradient, scale and offset",
       {constant({2, 3, 4, 3}), constant({3}), constant({3}, .5, 2)},
       [](const Inputs& x) { return batch_norm_inference(x[0], {}, {}, x[1], x[2]); }},
  });
}

TEST_CASE("batch_norm: by hand") {
  const Tensor x = f64({4, 1, 1, 1}, {1, 3, 5, 7});  // mean 4, variance 5
  const Tensor mean = f64({1}, {1}), variance = f64({1}, {2});
  const BatchNormOptions options{.momentum = .5f, .epsilon = 4};
  CHECK(differs(batch_norm_training(x, f64({1}, {6}), f64({1}, {1}), mean, variance, options),
                {-5, -1, 3, 7}) == "");
  CHECK(differs(mean, {.5 * 1 + .5 * 4}) == "");
  CHECK(differs(variance, {.5 * 2 + .5 * 5 * 4 / 3}) == "");
  // 2.5 and 25/12 + 4 would not be round numbers; take others.
  CHECK(differs(batch_norm_inference(x, {}, {}, f64({1}, {3}), f64({1}, {12}), options), {-.5, 0, .5, 1}) ==
        "");
}

TEST_CASE("batch_norm: wrong input") {
  const Tensor x = zeros({2, 5, 7, 4}), c = zeros({4}), d = zeros({5});
  check_wrong({
      {[&] { batch_norm_training({}, c, c, c, c); }, {"batch_norm_training", "missing"}},
      {[&] {
         batch_norm_training(zeros({2, 4}), c, c, c, c);
       },
       {"batch_norm_training", "[2, 4]", "[N, H, W, C]"}},
      {[&] { batch_norm_training(x, d, c, c, c); }, {"batch_norm_training", "scale", "[5]", "[4]"}},
      {[&] { batch_norm_training(x, c, d, c, c); }, {"batch_norm_training", "offset", "[5]", "[2, 5, 7, 4]"}},
      {[&] { batch_norm_training(x, c, c, d, c); }, {"batch_norm_training", "running mean", "[5]"}},
      {[&] { batch_norm_training(x, c, c, c, d); }, {"batch_norm_training", "running variance", "[5]"}},
      {[&] { batch_norm_training(x, c, c, c, c, {.momentum = 1.5f}); },
       {"batch_norm_training", "momentum 1.5"}},
      {[&] { batch_norm_training(x, c, c, c, c, {.epsilon = 0}); }, {"batch_norm_training", "epsilon 0"}},
      {[&] { batch_norm_training(x, c, c, c, c, {}, i32({1})); },
       {"batch_norm_training", "widths", "[1]", "[2]"}},
      {[&] { batch_norm_training(x, zeros({4}, DType::f64), c, c, c); },
       {"batch_norm_training", "f64", "cast"}},
      {[&] { batch_norm_inference(x, c, c, {}, c); }, {"batch_norm_inference", "running mean", "missing"}},
      {[&] { batch_norm_inference(x, c, c, c, {}); },
       {"batch_norm_inference", "running variance", "missing"}},
      {[&] { batch_norm_inference(x, d, c, c, c); }, {"batch_norm_inference", "scale", "[5]"}},
  });
}

}  // namespace tapeline::testing
