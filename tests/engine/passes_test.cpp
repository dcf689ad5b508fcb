// derive_behind_pooling(): which lists of kernels it changes, and that gradients keep their bits.

#include "engine/passes.h"

#include <doctest/doctest.h>

#include <functional>

#include "backends/registry.h"
#include "engine/ops/ops.h"
#include "engine/program.h"
#include "engine/random.h"

namespace tapeline {

namespace {

constexpr Activation kLeaky{ActivationKind::leaky_relu, 0.1f};

Tensor parameter(const Device& device, const Shape& shape, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = random.uniform(-1, 1);
  Tensor tensor = Tensor::from(device, shape, values);
  tensor.set_requires_grad();
  return tensor;
}

struct Layers {
  Device device = open_device("reference");
  Tensor image = parameter(device, {3, 6, 9, 4}, 1), weight = parameter(device, {3, 3, 4, 5}, 2);
  Tensor widths = Tensor::from<std::int32_t>(device, {3}, {9, 4, 0});

  Tensor convolved(const Activation& activation = kLeaky) const {
    return conv2d(image, weight, {}, {.activation = activation});
  }
  std::vector<std::vector<float>> gradients() const {
    return {image.grad().to_vector<float>(), weight.grad().to_vector<float>()};
  }
};

struct Changed {
  std::vector<Kernel> kernels;
  std::int64_t derived = 0;  // elements that an ActivationBackward goes over
  bool same_bits = false;
};

/// body() gives what is trained for.
Changed change(const std::function<Tensor(const Layers&)>& body) {
  const Layers eager, listed;
  body(eager).backward();

  Changed changed;
  changed.kernels = record([&] { body(listed).backward(); }).kernels();
  derive_behind_pooling(changed.kernels, find_kept(changed.kernels));
  for (const Kernel& kernel : changed.kernels) {
    const auto place = [&](const View& view) {
      if (!view.storage->block) view.storage->block = listed.device->allocate(view.storage->bytes);
    };
    visit_views(kernel, place, place);
    listed.device->run(kernel);
    if (const auto* k = std::get_if<ActivationBackward>(&kernel)) changed.derived += k->output.elements();
  }
  changed.same_bits = eager.gradients() == listed.gradients();
  return changed;
}

Tensor loss(const Tensor& x) { return sum(x * x); }

}  // namespace

TEST_CASE("passes: the derivative before a pooling is taken behind it") {
  for (const Activation& activation :
       {kLeaky, Activation{ActivationKind::relu}, Activation{ActivationKind::relu6},
        Activation{ActivationKind::sigmoid}, Activation{ActivationKind::tanh}}) {
    const Changed convolved =
        change([=](const Layers& l) { return loss(max_pool2d(l.convolved(activation))); });
    CHECK(convolved.derived == 3 * 3 * 5 * 5);
    CHECK(convolved.same_bits);
  }
  const Changed widths =
      change([](const Layers& l) { return loss(max_pool2d(l.convolved(), {}, l.widths)); });
  CHECK(widths.derived == 3 * 3 * 5 * 5);
  CHECK(widths.same_bits);
  const Changed gaps =
      change([](const Layers& l) { return loss(max_pool2d(l.convolved(), {.stride_h = 3, .stride_w = 4})); });
  CHECK(gaps.derived == 3 * 2 * 3 * 5);
  CHECK(gaps.same_bits);
}

TEST_CASE("passes: what cannot be derived behind the pooling is not") {
  const auto unchanged = [](const std::function<Tensor(const Layers&)>& body) {
    const Changed changed = change(body);
    CHECK(changed.derived == 3 * 6 * 9 * 5);
    CHECK(changed.same_bits);
  };
  unchanged([](const Layers& l) {  // windows overlap
    return loss(max_pool2d(l.convolved(), {.height = 3, .width = 3, .stride_h = 1, .stride_w = 1}));
  });
  unchanged([](const Layers& l) {  // the gradient has another source
    const Tensor y = l.convolved();
    return loss(max_pool2d(y)) + sum(y);
  });
  unchanged([](const Layers& l) { return loss(l.convolved()); });  // no pooling
  unchanged([](const Layers& l) {                                  // something stands between the two
    return loss(max_pool2d(l.convolved() * 2.0));
  });
}

}  // namespace tapeline
