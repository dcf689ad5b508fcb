// Ops one after the other, as a recogniser has them: what single rows cannot show is how gradients meet, and
// what the passes over a recorded program do.

#include <doctest/doctest.h>

#include "engine/ops/ops.h"
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
