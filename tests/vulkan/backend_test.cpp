// What the op table does not ask of the Vulkan backend: memory, transfers, names of devices, and the same
// bits every time. On machines without a device only the messages are asked.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "backends/registry.h"
#include "backends/vulkan/backend.h"
#include "engine/ops/ops.h"
#include "engine/optim/optimizer.h"
#include "engine/random.h"
#include "tests/errors.h"

namespace tapeline {
namespace {

std::vector<float> draw(std::size_t count) {
  Random random(3);
  std::vector<float> values(count);
  for (float& v : values) v = random.uniform(-1, 1);
  return values;
}

// A few megabytes, up and down, with kernels between: more than one piece of the staging buffer.
void check_transfers(const Device& device) {
  constexpr std::int64_t kCount = 1'300'003;
  const std::vector<float> values = draw(kCount);
  const Tensor x = Tensor::from(device, {kCount}, values);
  const Tensor y = scale(x, 2);
  x.upload(std::vector<float>(kCount, 1.0f));  // must not overtake the kernel before it
  std::vector<float> doubled = values;
  for (float& v : doubled) v *= 2;
  CHECK((y.to_vector<float>() == doubled));
  CHECK((scale(x, 3).to_vector<float>() == std::vector<float>(kCount, 3.0f)));
}

}  // namespace

TEST_CASE("vulkan: a device that is not there is named, with those that are") {
  CHECK(has(error_of([] { open_device("vulkan:99"); }), "vulkan"));
  CHECK(has(error_of([] { open_device("vulkan:no such name"); }), "vulkan"));
}

TEST_CASE("vulkan: transfers, in place and through the staging buffer") {
  for (const char* staging : {"0", "1"}) {
    setenv("TAPELINE_VULKAN_STAGING", staging, 1);
    check_transfers(open_device("vulkan"));
  }
  unsetenv("TAPELINE_VULKAN_STAGING");
}

TEST_CASE("vulkan: memory that is freed is used again, and too much is refused") {
  const Device device = open_device("vulkan");
  const std::size_t memory = device->describe().memory;
  for (int i = 0; i < 20; ++i) CHECK(device->allocate(memory / 8)->bytes >= memory / 8);
  try {
    device->allocate(memory + 1);
    FAIL_CHECK("more than all memory was given");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("smaller batch") != std::string::npos);
  }
  CHECK(Tensor::full(device, {3}, 2).to_vector<float>() == std::vector<float>{2, 2, 2});
}

TEST_CASE("vulkan: the same bits every time, and for an image alone or in a batch") {
  const Device device = open_device("vulkan");
  const std::vector<float> images = draw(3 * 6 * 20 * 4), weights = draw(3 * 3 * 4 * 8);
  const Tensor w = Tensor::from(device, {3, 3, 4, 8}, weights);
  const auto run = [&](std::int64_t first, std::int64_t count) {
    const auto begin = images.begin() + first * 480;
    const Tensor x = Tensor::from(device, {count, 6, 20, 4}, std::vector<float>(begin, begin + count * 480));
    return tanh(conv2d(x, w)).to_vector<float>();
  };
  const std::vector<float> all = run(0, 3);
  CHECK((all == run(0, 3)));
  const std::vector<float> second = run(1, 1);
  CHECK(std::equal(second.begin(), second.end(), all.begin() + static_cast<std::ptrdiff_t>(second.size())));
}

TEST_CASE("vulkan: optimisers, clipping and a scaled loss do what they do in plain loops") {
  const Device device = open_device("vulkan");
  for (const char* text :
       {"sgd", "sgd:momentum=.9,nesterov", "adam", "adamw", "rmsprop:momentum=.5", "adadelta"})
    for (const float clip : {0.f, 0.5f})
      for (const bool scales_loss : {false, true}) {
        CAPTURE(text);
        CAPTURE(clip);
        CAPTURE(scales_loss);
        const auto train = [&](const Device& on, float last) {
          NamedTensor p{"p", Tensor::from(on, {1000}, draw(1000))};
          p.tensor.set_requires_grad();
          const Optimizer optimizer({p}, parse_optimizer(text), {{"p", 0.05f}}, clip, scales_loss);
          std::vector<float> gradient = draw(1000);
          for (const float value : {gradient.back(), -gradient.back(), last}) {
            gradient.back() = value;
            p.tensor.set_grad(Tensor::from(on, {1000}, gradient));
            optimizer.prepare(1, 0.01, 64);
            optimizer.step();
          }
          return p.tensor.to_vector<float>();
        };
        for (const float last : {0.25f, std::numeric_limits<float>::infinity()}) {
          if (last > 1 && clip == 0 && !scales_loss) continue;  // nobody looks whether gradients are finite
          const std::vector<float> ours = train(device, last), plain = train(open_device("reference"), last);
          float worst = 0;
          for (std::size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::abs(ours[i] - plain[i]));
          CHECK(worst < 1e-5f);
        }
      }
}

TEST_CASE("vulkan: f64 is refused by name, and still moved and converted") {
  const Device device = open_device("vulkan");
  const Tensor x = Tensor::from<double>(device, {2}, {1.5, -2.25});
  try {
    tanh(x);
    FAIL_CHECK("f64 was computed in");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("cast") != std::string::npos);
  }
  CHECK(cast(x, DType::f32).to_vector<float>() == std::vector<float>{1.5f, -2.25f});
}

TEST_CASE("vulkan: the validation layer has nothing to say, at the end either") {
  { scale(Tensor::zeros(open_device("vulkan"), {5}), 2); }
  CHECK(take_vulkan_messages().empty());
}

}  // namespace tapeline
