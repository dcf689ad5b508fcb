// Layers: what they hold and under which names, how it starts, and that training is an argument.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "backends/registry.h"
#include "engine/nn/batch_norm.h"
#include "engine/nn/conv2d.h"
#include "engine/nn/linear.h"
#include "engine/nn/lstm_stack.h"

namespace tapeline {

namespace {

Device reference() { return open_device("reference"); }

Tensor drawn(const Device& device, const Shape& shape, std::uint64_t seed) {
  Random random(seed);
  return Tensor::from(device, shape, Init::normal(0.5, 1).values(shape, random));
}

template <typename Layer>
State state_of(const Layer& layer) {
  State state;
  layer.collect("x", state);
  return state;
}

/// "name [shape] name [shape]"
std::string text_of(const std::vector<NamedTensor>& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors)
    text += (text.empty() ? "" : " ") + name + " " + tensor.shape().text();
  return text;
}

bool all_want_gradients(const State& state) {
  return std::ranges::all_of(state.parameters,
                             [](const NamedTensor& t) { return t.tensor.requires_grad(); }) &&
         std::ranges::none_of(state.buffers, [](const NamedTensor& t) { return t.tensor.requires_grad(); });
}

}  // namespace

TEST_CASE("layers: names join with dots") {
  CHECK(join("", "weight") == "weight");
  CHECK(join("a.b", "weight") == "a.b.weight");
}

TEST_CASE("layers: conv2d") {
  const Device device = reference();
  Random random(1);
  const Conv2d layer(device, random, {.in = 4, .out = 6, .height = 3, .width = 5, .options = {.groups = 2}});
  const State state = state_of(layer);
  CHECK(text_of(state.parameters) == "x.weight [3, 5, 2, 6] x.bias [6]");
  CHECK(state.buffers.empty());
  CHECK(all_want_gradients(state));
  CHECK(layer.bias.to_vector<float>() == std::vector<float>(6, 0));
  CHECK(layer.forward(drawn(device, {2, 7, 8, 4}, 2)).shape() == Shape{2, 7, 8, 6});
  const Conv2d bare(device, random, {.in = 1, .out = 2, .bias = false});
  CHECK(text_of(state_of(bare).parameters) == "x.weight [3, 3, 1, 2]");
  CHECK(bare.forward(drawn(device, {1, 4, 4, 1}, 2)).shape() == Shape{1, 4, 4, 2});
  CHECK_THROWS_AS(Conv2d(device, random, {.in = 3, .out = 4, .options = {.groups = 2}}), Error);
  CHECK_THROWS_AS(Conv2d(device, random, {.in = 4, .out = 4, .options = {.groups = 0}}), Error);
  CHECK_THROWS_AS(Conv2d(device, random, {.in = 0, .out = 4}), Error);
  CHECK_THROWS_AS(Conv2d(device, random, {.in = 1, .out = 4, .height = 0}), Error);
}

TEST_CASE("layers: linear") {
  const Device device = reference();
  Random random(1);
  const Linear layer(device, random, {.in = 3, .out = 2, .activation = {ActivationKind::relu}});
  CHECK(text_of(state_of(layer).parameters) == "x.weight [3, 2] x.bias [2]");
  CHECK(all_want_gradients(state_of(layer)));
  const std::vector<float> y = layer.forward(drawn(device, {50, 4, 3}, 2)).to_vector<float>();
  CHECK(y.size() == 400);
  CHECK(*std::ranges::min_element(y) == 0);
  CHECK(*std::ranges::max_element(y) > 0);
  CHECK(text_of(state_of(Linear(device, random, {.in = 1, .out = 1, .bias = false})).parameters) ==
        "x.weight [1, 1]");
  CHECK_THROWS_AS(Linear(device, random, {.in = 3, .out = 0}), Error);
}

TEST_CASE("layers: batch norm moves its running statistics in training only") {
  const Device device = reference();
  const BatchNorm layer(device, {.channels = 2, .options = {.momentum = 0.5f, .epsilon = 1e-5f}});
  const State state = state_of(layer);
  CHECK(text_of(state.parameters) == "x.scale [2] x.offset [2]");
  CHECK(text_of(state.buffers) == "x.running_mean [2] x.running_variance [2]");
  CHECK(all_want_gradients(state));

  const Tensor x = Tensor::from<float>(device, {1, 1, 4, 2}, {0, 5, 2, 5, 4, 5, 6, 5});
  const std::vector<float> inferred = layer.forward(x, false).to_vector<float>();
  CHECK(inferred[2] == doctest::Approx(2));  // mean 0, variance 1: as it was
  CHECK(layer.running_mean.to_vector<float>() == std::vector<float>{0, 0});
  const std::vector<float> trained = layer.forward(x, true).to_vector<float>();
  CHECK(trained[0] == doctest::Approx(-3 / std::sqrt(5.0)).epsilon(1e-4));
  CHECK(trained[1] == doctest::Approx(0));
  CHECK(layer.running_mean.to_vector<float>() == std::vector<float>{1.5f, 2.5f});
  CHECK(layer.running_variance.to_vector<float>()[0] == doctest::Approx(0.5 + 0.5 * 20 / 3));

  const BatchNorm bare(device, {.channels = 2, .scale = false, .offset = false});
  CHECK(state_of(bare).parameters.empty());
  CHECK(state_of(bare).buffers.size() == 2);
  CHECK(bare.forward(x, true).to_vector<float>()[0] == doctest::Approx(-3 / std::sqrt(5.0)).epsilon(1e-4));
  CHECK_THROWS_AS(BatchNorm(device, {.channels = 0}), Error);
}

TEST_CASE("layers: an LSTM starts with open forget gates, orthogonal recurrence, Glorot input") {
  const Device device = reference();
  Random random(1);
  const int in = 24, hidden = 16;
  const Lstm layer(device, random, {.in = in, .hidden = hidden, .options = {.directions = 2}});
  CHECK(text_of(state_of(layer).parameters) == "x.w_ih [24, 128] x.w_hh [2, 16, 64] x.bias [128]");
  CHECK(all_want_gradients(state_of(layer)));

  const std::vector<float> bias = layer.bias.to_vector<float>();
  for (int i = 0; i < 128; ++i) CHECK(bias[static_cast<std::size_t>(i)] == (i % 64 / 16 == 1 ? 1 : 0));

  const std::vector<float> input = layer.w_ih.to_vector<float>();
  const double limit = std::sqrt(6.0 / (in + hidden));
  const auto [low, high] = std::ranges::minmax(input);
  CHECK(high <= limit);
  CHECK(low >= -limit);
  CHECK(high > 0.95 * limit);
  CHECK(low < -0.95 * limit);

  const std::vector<float> recurrent = layer.w_hh.to_vector<float>();
  double worst = 0;
  for (int block = 0; block < 8; ++block)
    for (int a = 0; a < hidden; ++a)
      for (int b = 0; b < hidden; ++b) {
        double product = 0;
        for (int column = 0; column < hidden; ++column) {
          const auto at = [&](int row) {
            return recurrent[static_cast<std::size_t>(((block / 4) * hidden + row) * 64 + block % 4 * hidden +
                                                      column)];
          };
          product += double{at(a)} * at(b);
        }
        worst = std::max(worst, std::abs(product - (a == b)));
      }
  CHECK(worst < 1e-5);

  CHECK_THROWS_AS(Lstm(device, random, {.in = 0, .hidden = 1}), Error);
  CHECK_THROWS_AS(Lstm(device, random, {.in = 1, .hidden = 1, .options = {.directions = 3}}), Error);
}

TEST_CASE("layers: widths of LSTM outputs") {
  const Device device = reference();
  Random random(1);
  const Tensor x = drawn(device, {2, 5, 3}, 4);
  const auto check = [&](const LstmOptions& options, int features) {
    const Lstm layer(device, random, {.in = 3, .hidden = 4, .options = options});
    CHECK(layer.output_features() == features);
    CHECK(layer.forward(x).shape() == Shape{2, 5, features});
    const LstmStack stack(device, random, {.in = 3, .hidden = 4, .layers = 3, .options = options});
    CHECK(stack.output_features() == features);
    CHECK(stack.forward(x, true).shape() == Shape{2, 5, features});
  };
  check({}, 4);
  check({.reverse = true}, 4);
  check({.directions = 2}, 8);
  check({.directions = 2, .merge = LstmMerge::sum}, 4);
}

TEST_CASE("layers: a stack of LSTMs drops between its layers, in training only") {
  const Device device = reference();
  Random random(1);
  const LstmStack stack(device, random,
                        {.in = 3, .hidden = 8, .layers = 2, .dropout = 0.5f, .first_stream = 7});
  CHECK(text_of(state_of(stack).parameters) ==
        "x.0.w_ih [3, 32] x.0.w_hh [1, 8, 32] x.0.bias [32] x.1.w_ih [8, 32] x.1.w_hh [1, 8, 32] x.1.bias "
        "[32]");
  const Tensor x = drawn(device, {2, 5, 3}, 4);
  const Tensor frames = Tensor::from<std::int32_t>(device, {2}, {5, 3});
  const auto state = [&](std::int64_t step) { return Tensor::from(device, {3}, dropout_state(99, step)); };
  const std::vector<float> inferred = stack.forward(x, false, {}, frames).to_vector<float>();
  const std::vector<float> trained = stack.forward(x, true, state(0), frames).to_vector<float>();
  CHECK(inferred != trained);
  CHECK(trained == stack.forward(x, true, state(0), frames).to_vector<float>());
  CHECK(trained != stack.forward(x, true, state(1), frames).to_vector<float>());

  const Tensor below = stack.layers[0].forward(x, frames);
  CHECK(stack.layers[1].forward(below, frames).to_vector<float>() == inferred);
  CHECK(stack.layers[1].forward(dropout(below, 0.5f, state(0), 7), frames).to_vector<float>() == trained);
  CHECK_THROWS_AS(LstmStack(device, random, {.in = 3, .hidden = 8, .layers = 0}), Error);
}

TEST_CASE("layers: dropout's state holds the whole seed") {
  const std::vector<std::int32_t> state = dropout_state(0xffffffff00000002u, 5);
  CHECK(state == std::vector<std::int32_t>{2, -1, 5});
  const Device device = reference();
  const Tensor x = Tensor::full(device, {1000}, 1);
  const Tensor seed = Tensor::from(device, {3}, state);
  CHECK(DropoutLayer{0.25f, 1}.forward(x, seed, false).to_vector<float>() == x.to_vector<float>());
  CHECK(DropoutLayer{0, 1}.forward(x, {}, true).to_vector<float>() == x.to_vector<float>());
  const std::vector<float> y = DropoutLayer{0.25f, 1}.forward(x, seed, true).to_vector<float>();
  const auto dropped = std::ranges::count(y, 0.f);
  CHECK(dropped > 190);
  CHECK(dropped < 310);
  CHECK(std::ranges::count(y, 1.f / 0.75f) == 1000 - dropped);
}

TEST_CASE("layers: the same seed gives the same network on every device") {
  const auto weights = [](const char* id, std::uint64_t seed) {
    Random random(seed);
    const LstmStack stack(open_device(id), random, {.in = 5, .hidden = 4, .layers = 2});
    std::vector<std::vector<float>> all;
    for (const NamedTensor& t : state_of(stack).parameters) all.push_back(t.tensor.to_vector<float>());
    return all;
  };
  CHECK(weights("reference", 3) == weights("cpu", 3));
  CHECK(weights("reference", 3) != weights("reference", 4));
}

}  // namespace tapeline
