// Ops one after the other, as a recogniser has them: what single rows cannot show is how gradients meet, and
// what the passes over a recorded program do.

#include <doctest/doctest.h>

#include "engine/ops/ops.h"
#include "engine/program.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {
namespace {

constexpr Activation kLeaky{ActivationKind::leaky_relu, .1f};

// Operands: image, conv weight, scale, offset, w_ih, w_hh, bias, head, labels, lengths, dropout state, and
// widths before and after pooling.
Tensor recogniser_loss(const Inputs& x) {
  Tensor y = mask_columns(x[0], x[11]);
  y = leaky_relu(batch_norm_training(conv2d(y, x[1]), x[2], x[3], {}, {}, {}, x[11]), .1f);
  y = max_pool2d(y, {}, x[11]);
  const Tensor frames = columns_to_sequence(y);
  y = lstm(frames, x[4], x[5], x[6], {.directions = 2}, x[12]);
  y = linear(dropout(y, .2f, x[10], 0), x[7]) + .1 * slice(frames, 2, 0, 4);
  return mean(ctc_loss(y, x[8], x[9], x[12]));
}

const std::vector<Input> kRecogniser{
    random({2, 4, 11, 1}), random({3, 3, 1, 3}), random({3}, .5, 2),
    random({3}),           random({6, 40}),      random({2, 5, 20}, -.5, .5),
    random({40}),          random({10, 4}),      integers({2, 2}, {1, 3, 2, 2}),
    integers({2, 2}),      integers({1, 2, 3}),  integers({11, 8}),
    integers({6, 4})};

}  // namespace

TEST_CASE("network: a recogniser") { check_rows({{"recogniser", kRecogniser, recogniser_loss, 1e-4}}); }

TEST_CASE("network: activations that a program can fuse, and some that it must not") {
  const Input image = random({2, 5, 7, 3}), weight = random({3, 3, 3, 5}), channels = random({5}, .5, 2);
  check_rows({
      {"conv2d, sigmoid",
       {image, weight, channels},
       [](const Inputs& x) { return sigmoid(conv2d(x[0], x[1], x[2])); }},
      {"conv2d, leaky ReLU, without gradient",
       {constant({2, 5, 7, 3}), constant({3, 3, 3, 5})},
       [](const Inputs& x) { return leaky_relu(conv2d(x[0], x[1]), .1f); }},
      {"batch norm, leaky ReLU",
       {random({2, 5, 7, 5}), channels, channels},
       [](const Inputs& x) { return leaky_relu(batch_norm_training(x[0], x[1], x[2], {}, {}), .1f); }},
      {"batch norm inference, leaky ReLU",
       {constant({2, 5, 7, 5}), constant({5}), constant({5}, .5, 2)},
       [](const Inputs& x) { return leaky_relu(batch_norm_inference(x[0], {}, {}, x[1], x[2]), .1f); }},
      {"linear, tanh",
       {random({3, 7}), random({7, 5})},
       [](const Inputs& x) { return tanh(linear(x[0], x[1])); }},
      {"conv2d read twice",
       {image, weight},
       [](const Inputs& x) {
         const Tensor y = conv2d(x[0], x[1]);
         return leaky_relu(y, .1f) + y;
       }},
      {"conv2d with an activation, and another",
       {image, weight},
       [](const Inputs& x) { return sigmoid(conv2d(x[0], x[1], {}, {.activation = kLeaky})); }},
  });
}

// Of a training step on batch norm, leaky ReLU and max pooling: whether a program does them in one kernel.
struct PoolingCase {
  const char* name;
  Shape image;
  MaxPool2dOptions pool;
  std::vector<Input> widths;
  bool fused;
};

TEST_CASE("network: batch norm, activation and pooling in one kernel") {
  const MaxPool2dOptions valid{.padding = Padding::valid()};
  const std::vector<PoolingCase> cases{
      {"2x2", {2, 4, 6, 3}, {}, {}, true},
      {"2x2, odd sizes", {2, 5, 7, 19}, {}, {}, true},
      {"2x2, rows and columns in no window", {2, 5, 7, 3}, valid, {}, true},
      {"2x1", {2, 6, 5, 4}, {.width = 1, .stride_w = 1}, {}, true},
      {"3x2, padded",
       {1, 7, 8, 2},
       {.height = 3, .stride_h = 3, .padding = Padding::explicit_(1, 1, 1, 1)},
       {},
       true},
      {"widths", {4, 4, 7, 3}, {}, {integers({7, 4, 1, 0})}, true},
      {"many rows", {3, 33, 47, 5}, {}, {}, true},
      {"empty batch", {0, 4, 6, 3}, {}, {}, true},
      {"windows that overlap", {2, 5, 6, 3}, {.stride_w = 1}, {}, false},
      {"windows apart", {2, 7, 8, 3}, {.stride_h = 3, .stride_w = 3, .padding = Padding::valid()}, {}, false},
  };
  for (const PoolingCase& c : cases)
    for (const Activation& activation : {Activation{}, kLeaky}) {
      std::vector<Input> inputs{random(c.image, -2, 3), random({c.image[3]}, .5, 2), random({c.image[3]})};
      inputs.insert(inputs.end(), c.widths.begin(), c.widths.end());
      const auto body = [&](const Inputs& x) {
        const Tensor widths = x.size() > 3 ? x[3] : Tensor();
        return max_pool2d(batch_norm_training(x[0], x[1], x[2], {}, {}, {.activation = activation}, widths),
                          c.pool, widths);
      };
      check_rows({{fmt::format("pooling {}", c.name), inputs, body}});

      Inputs x{Tensor::zeros(reference(), c.image), Tensor::zeros(reference(), {c.image[3]}),
               Tensor::zeros(reference(), {c.image[3]})};
      for (Tensor& operand : x) operand.set_requires_grad();
      if (!c.widths.empty()) x.push_back(Tensor::from(reference(), c.widths[0].shape, c.widths[0].integers));
      Program program = record([&] { sum(body(x)).backward(); });
      program.compile();
      int pools = 0;
      for (const Kernel& kernel : program.kernels()) pools += name_of(kernel).starts_with("max_pool2d");
      CAPTURE(c.name);
      CHECK(pools == (c.fused ? 0 : 2));
    }
}

TEST_CASE("network: batch norm and pooling stay apart where somebody reads what lies between") {
  const Input image = random({2, 4, 6, 3}), channels = random({3}, .5, 2);
  check_rows({
      {"batch norm read by two",
       {image, channels, channels},
       [](const Inputs& x) {
         const Tensor y = batch_norm_training(x[0], x[1], x[2], {}, {}, {.activation = kLeaky});
         return sum(max_pool2d(y)) + mean(y);
       }},
      {"pooled twice",
       {image, channels, channels},
       [](const Inputs& x) {
         const Tensor y = batch_norm_training(x[0], x[1], x[2], {}, {});
         return sum(max_pool2d(y)) + sum(max_pool2d(y, {.height = 1, .stride_h = 1}));
       }},
      {"only forward",
       {constant({2, 4, 6, 3})},
       [](const Inputs& x) { return max_pool2d(batch_norm_training(x[0], {}, {}, {}, {})); }},
  });
}

TEST_CASE("network: frozen batch norm, residual, depthwise") {
  check_rows(
      {{"block",
        {random({2, 3, 6, 4}), random({3, 3, 1, 4}), random({1, 1, 4, 4}), random({4}, .5, 2), random({4}),
         constant({4}), constant({4}, .5, 2)},
        [](const Inputs& x) {
          const Tensor y = conv2d(x[0], x[1], {}, {.groups = 4, .activation = {ActivationKind::relu6, 0}});
          const Tensor z = batch_norm_inference(conv2d(y, x[2]), x[3], x[4], x[5], x[6]);
          return mean(z + x[0], {1, 2});
        }}});
}

}  // namespace tapeline::testing
