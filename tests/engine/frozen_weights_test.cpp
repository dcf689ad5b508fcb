// Programs for inference with frozen weights: batch norm disappears into the convolution or product before
// it.

#include "engine/frozen_weights.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "backends/registry.h"
#include "engine/ops/ops.h"
#include "engine/program.h"
#include "engine/random.h"

namespace tapeline {

namespace {

Tensor random_tensor(const Device& device, const Shape& shape, float low = -1, float high = 1,
                     std::uint64_t seed = 3) {
  Random random(seed, static_cast<std::uint64_t>(shape.elements()));
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = random.uniform(low, high);
  return Tensor::from(device, shape, values);
}

int count(const Program& program, std::string_view name) {
  int found = 0;
  for (const Kernel& kernel : program.kernels()) found += name_of(kernel) == name;
  return found;
}

struct Layers {
  Tensor image, widths, weight, bias, scale, offset, mean, variance;

  explicit Layers(const Device& device, std::int64_t channels = 21)
      : image(random_tensor(device, {3, 6, 11, 5})),
        widths(Tensor::from<std::int32_t>(device, {3}, {11, 4, 0})),
        weight(random_tensor(device, {3, 3, 5, channels})),
        bias(random_tensor(device, {channels})),
        scale(random_tensor(device, {channels}, -2, 2, 4)),
        offset(random_tensor(device, {channels}, -1, 1, 5)),
        mean(random_tensor(device, {channels}, -3, 3, 6)),
        variance(random_tensor(device, {channels}, 0.1f, 4, 7)) {}

  Tensor normalise(const Tensor& x, const Tensor& own_widths = {}) const {
    return batch_norm_inference(x, scale, offset, mean, variance,
                                {.activation = {ActivationKind::leaky_relu, 0.1f}}, own_widths);
  }
};

/// What body() makes, eagerly, and by a program whose weights are frozen.
struct Both {
  std::vector<float> eager, folded;
  Program program;
};

Both run(const std::function<Tensor()>& body, FrozenWeights& weights) {
  Both both;
  both.eager = body().to_vector<float>();
  Tensor result;
  both.program = record([&] { result = body(); });
  both.program.compile(&weights);
  both.program.replay();
  both.folded = result.to_vector<float>();
  return both;
}

/// The largest difference as a share of the largest value.
double difference(const Both& both) {
  double most = 0, largest = 0;
  REQUIRE(both.eager.size() == both.folded.size());
  for (std::size_t i = 0; i < both.eager.size(); ++i) {
    largest = std::fmax(largest, std::fabs(both.eager[i]));
    most = std::fmax(most, std::fabs(both.eager[i] - both.folded[i]));
  }
  REQUIRE(largest > 0);
  return most / largest;
}

constexpr double kTolerance = 1e-6;

}  // namespace

TEST_CASE("frozen weights: batch norm folded is batch norm, within 1e-6 of the largest value") {
  for (const char* name : {"reference", "cpu"}) {
    CAPTURE(name);
    const Device device = open_device(name);
    const Layers l(device);
    const Tensor matrix = random_tensor(device, {5, 21});
    const std::vector<std::function<Tensor()>> bodies{
        [&] { return l.normalise(conv2d(l.image, l.weight, l.bias)); },
        [&] { return l.normalise(conv2d(l.image, l.weight)); },
        [&] { return l.normalise(conv2d(l.image, l.weight, {}, {.padding = Padding::valid()})); },
        [&] { return l.normalise(linear(l.image, matrix, l.bias)); },
        [&] { return batch_norm_inference(conv2d(l.image, l.weight, l.bias), {}, {}, l.mean, l.variance); },
    };
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      CAPTURE(i);
      FrozenWeights weights;
      const Both both = run(bodies[i], weights);
      CHECK(difference(both) <= kTolerance);
      CHECK(both.program.kernels().size() == 1);
    }
  }
}

TEST_CASE("frozen weights: columns right of an image's own width stay zero") {
  const Device device = open_device("cpu");
  const Layers l(device);
  FrozenWeights weights;
  const Both both = run([&] { return l.normalise(conv2d(l.image, l.weight), l.widths); }, weights);
  CHECK(difference(both) <= kTolerance);
  CHECK(count(both.program, "batch_norm_inference") == 0);
  CHECK(count(both.program, "mask_columns") == 1);
  for (std::size_t i = 0; i < both.eager.size(); ++i)
    if (both.eager[i] == 0) CHECK(both.folded[i] == 0);
}

TEST_CASE("frozen weights: the same bits with one thread, two and three, and alone or in a batch") {
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    const Device device = open_device("cpu", {.threads = threads});
    const Layers l(device);
    FrozenWeights weights;
    const Both both = run([&] { return l.normalise(conv2d(l.image, l.weight)); }, weights);
    if (threads == 1) first = both.folded;
    CHECK((both.folded == first));
    const std::size_t image = first.size() / 3;
    for (std::int64_t n = 0; n < 3; ++n) {
      const Tensor one = slice(l.image, 0, n, n + 1);
      const Both alone = run([&] { return l.normalise(conv2d(one, l.weight)); }, weights);
      for (std::size_t i = 0; i < image; ++i)
        CHECK(alone.folded[i] ==
              doctest::Approx(first[static_cast<std::size_t>(n) * image + i]).epsilon(1e-5));
    }
  }
}

TEST_CASE("frozen weights: what must not be folded is not") {
  const Device device = open_device("cpu");
  const Layers l(device, 5);
  Tensor held;
  const std::vector<std::function<Tensor()>> bodies{
      [&] { return l.normalise(l.image); },                               // nothing before it
      [&] { return l.normalise(relu(conv2d(l.image, l.weight))); },       // not linear
      [&] { return l.normalise(held = conv2d(l.image, l.weight)); },      // read by others
      [&] { return l.normalise(conv2d(l.image, l.weight * l.weight)); },  // no constant
      [&] {
        const Tensor y = conv2d(l.image, l.weight);
        return l.normalise(y) + y;
      },
      [&] {  // the statistics move in the program itself
        const Tensor y = l.normalise(conv2d(l.image, l.weight));
        batch_norm_training(l.image, {}, {}, l.mean, {});
        return y;
      },
  };
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    CAPTURE(i);
    FrozenWeights weights;
    Tensor result;
    Program program = record([&] { result = bodies[i](); });
    program.compile(&weights);
    CHECK(count(program, "batch_norm_inference") == 1);
    program.replay();
    held = {};
  }
}

TEST_CASE("frozen weights: what is made of them is made once, and others stay as they are") {
  const Device device = open_device("cpu");
  const Layers l(device);
  FrozenWeights weights;
  const auto body = [&] { return l.normalise(conv2d(l.image, l.weight)); };
  const auto weight_of = [](const Program& program) {
    return std::get<Conv2dForward>(program.kernels()[0]).weight.storage;
  };
  const Both a = run(body, weights), b = run(body, weights);
  CHECK(weight_of(a.program) == weight_of(b.program));
  CHECK(weight_of(a.program) != l.weight.view().storage);

  const auto plain = [&] { return conv2d(l.image, l.weight); };
  CHECK(weight_of(run(plain, weights).program) == l.weight.view().storage);
}

TEST_CASE("frozen weights: an LSTM whose packed weights are kept gives the same bits, alone and in a batch") {
  for (const char* name : {"reference", "cpu"}) {
    CAPTURE(name);
    const Device device = open_device(name);
    const Tensor x = random_tensor(device, {17, 5, 3}), w_ih = random_tensor(device, {3, 2 * 4 * 40}),
                 w_hh = random_tensor(device, {2, 40, 4 * 40}, -0.3f, 0.3f),
                 bias = random_tensor(device, {2 * 4 * 40});
    const auto read = [&](const Tensor& input) { return lstm(input, w_ih, w_hh, bias, {.directions = 2}); };
    FrozenWeights weights;
    std::vector<float> all;
    for (const std::int64_t batch : {17, 1, 2, 3}) {
      CAPTURE(batch);
      const Tensor some = slice(x, 0, 0, batch);
      const Both both = run([&] { return read(some); }, weights);
      CHECK((both.folded == both.eager));
      if (batch == 17) all = both.folded;
      CHECK(std::equal(both.folded.begin(), both.folded.end(), all.begin()));
    }
  }
}

}  // namespace tapeline
