#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "backends/registry.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "models/network/network.h"
#include "models/network/presets.h"

namespace tapeline {

namespace {

std::vector<float> noise(std::int64_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = random.normal();
  return values;
}

/// `count` images of height x width with own widths; zero right of them.
std::vector<float> images_of(const std::vector<std::int32_t>& widths, int height, int width) {
  std::vector<float> pixels(widths.size() * static_cast<std::size_t>(height * width), 0.0f);
  for (std::size_t n = 0; n < widths.size(); ++n) {
    const std::vector<float> own =
        noise(std::int64_t{height} * widths[n], 100 + static_cast<std::uint64_t>(widths[n]));
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < widths[n]; ++x)
        pixels[(n * static_cast<std::size_t>(height) + static_cast<std::size_t>(y)) *
                   static_cast<std::size_t>(width) +
               static_cast<std::size_t>(x)] = own[static_cast<std::size_t>(y * widths[n] + x)];
  }
  return pixels;
}

std::vector<float> logits_of(const Network& network, const std::vector<std::int32_t>& widths, int width) {
  const Device& device = network.device();
  const int height = network.spec().height;
  const Tensor images = Tensor::from(device, {static_cast<std::int64_t>(widths.size()), height, width, 1},
                                     images_of(widths, height, width));
  Pass pass;
  for (const auto& stage : network.geometry().widths(widths))
    pass.widths.push_back(Tensor::from(device, {static_cast<std::int64_t>(widths.size())}, stage));
  const NoGrad no_tape;
  return network.forward(images, pass).to_vector<float>();
}

}  // namespace

TEST_CASE("network: every preset runs forward and back, and all of its parameters get a gradient") {
  const Device device = open_device("cpu");
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    Random random(3);
    const Network network(parse_vgsl(preset.network), 12, device, random);
    const NetworkSpec& spec = network.spec();
    const Tensor images = Tensor::from(device, {2, spec.height, spec.width, spec.channels},
                                       noise(2 * spec.height * spec.width * spec.channels, 4));
    Pass pass;
    pass.training = true;
    pass.dropout = Tensor::from<std::int32_t>(device, {3}, {1, 2, 3});
    const Tensor logits = network.forward(images, pass);
    CHECK(logits.shape() == Shape{2, network.geometry().frames(spec.width), 12});
    mean(square(logits + 1.0)).backward();
    std::int64_t parameters = 0;
    for (const NamedTensor& p : network.state().parameters) {
      CAPTURE(p.name);
      REQUIRE(p.tensor.grad().defined());
      double norm = 0;
      for (const float g : p.tensor.grad().to_vector<float>()) norm += std::abs(g);
      CHECK(std::isfinite(norm));
      // The skip's zero start keeps the first gradients from the LSTM behind it.
      if (preset.name != "captcha-small" || !p.name.starts_with("lstm")) CHECK(norm > 0);
      parameters += p.tensor.elements();
    }
    CHECK(parameters == network.geometry().parameters());
  }
}

TEST_CASE("network: an image gives the same logits alone, padded, and in any company") {
  const Device device = open_device("cpu");
  for (const char* text :
       {"[1,16,0,1 Cs3,3,8 Mp2,2 Cl3,3,8 Bn Al.1 Mp2,2 S1(1x0)1,3 Lbx8 O1c]",
        "[1,16,0,1 Ca5,5,6,2,2 Mp3,3,2,2 Ct3,3,6,1,1,2,2 As S1(1x0)1,3 (Lrx4 I) Lfx4 O1c]",
        "[1,16,0,1 Mp3,3,1,1 Cl3,3,6 As Bn As Mpv3,3,2,2 Cvr2,2,5 S1(1x0)1,3 Lbx+5 O1c]"}) {
    CAPTURE(text);
    Random random(9);
    const Network network(parse_vgsl(text), 6, device, random);
    for (const NamedTensor& p : network.state().parameters)  // offsets and biases that are not zero
      p.tensor.upload(noise(p.tensor.elements(), 11 + static_cast<std::uint64_t>(p.tensor.elements())));
    const std::vector<std::int32_t> widths{40, 23, 64, 17, 38, 9};
    const std::vector<float> together = logits_of(network, widths, 64);
    const std::size_t steps = together.size() / widths.size() / 6;
    for (std::size_t n = 0; n < widths.size(); ++n) {
      const int multiple = network.geometry().width_multiple;
      const int alone_width = (widths[n] + multiple - 1) / multiple * multiple;
      const std::vector<float> alone = logits_of(network, {widths[n]}, alone_width);
      const int frames = network.geometry().frames(widths[n]);
      REQUIRE(frames > 0);
      float worst = 0;
      for (std::size_t i = 0; i < static_cast<std::size_t>(frames) * 6; ++i)
        worst = std::max(worst, std::abs(alone[i] - together[n * steps * 6 + i]));
      CAPTURE(widths[n]);
      CHECK(worst < 1e-4f);
    }
  }
}

TEST_CASE("network: images of another size are refused") {
  const Device device = open_device("cpu");
  Random random(1);
  const Network network(parse_vgsl(find_preset("captcha-small").network), 12, device, random);
  CHECK_THROWS_WITH_AS(network.forward(Tensor::zeros(device, {1, 30, 91, 1}), {}),
                       "network: images [1, 30, 91, 1] do not fit the input [N, 30, 90, 1]", Error);
}

}  // namespace tapeline
